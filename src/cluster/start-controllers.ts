/** @module The controllers of a control plane. */
import type { ControlPlane } from "./control-plane.ts";
import type { Settings } from "./settings.ts";

export interface ControllersRequest {
  readonly settings: Settings;
  /** PEM of who signs the API's certificate. */
  readonly authority: string;
  readonly log: (line: string) => void;
}

export function startControllers(
  _plane: ControlPlane,
  _request: ControllersRequest,
): Promise<{ stop(): void }> {
  return Promise.resolve({ stop: () => undefined });
}
