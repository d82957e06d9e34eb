/** @module The controllers of a control plane. */
import type { ControlPlane } from "./control-plane.ts";
import type { Settings } from "./settings.ts";

export async function startControllers(_plane: ControlPlane, _settings: Settings): Promise<{ stop(): void }> {
  return { stop: () => undefined };
}
