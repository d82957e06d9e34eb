/** @module The controllers of a control plane, over its own API without HTTP between. */
import { startControllers as start } from "../controllers/start.ts";
import type { ControlPlane } from "./control-plane.ts";
import type { Settings } from "./settings.ts";

export interface ControllersRequest {
  readonly settings: Settings;
  /** PEM of who signs the API's certificate. */
  readonly authority: string;
  readonly log: (line: string) => void;
}

export function startControllers(
  plane: ControlPlane,
  { settings, authority, log }: ControllersRequest,
): Promise<{ stop(): void }> {
  return start({
    client: (name) => plane.client(name),
    resources: () =>
      plane.api.resources.filter(({ verbs }) => verbs.includes("list") && verbs.includes("watch")),
    authority,
    loadBalancers: settings.loadBalancers,
    log,
  });
}
