/** @module The controllers of a control plane, over its own API without HTTP between. */
import type { Api } from "../apiserver/api.ts";
import type { EventShelf, ShelfChange } from "../controllers/event-expiry.ts";
import { startControllers as start } from "../controllers/start.ts";
import type { StoreEvent } from "../store/store.ts";
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
    events: eventShelf(plane.api),
    log,
  });
}

/** The events of an API, as its store has them. */
export function eventShelf(api: Api): EventShelf {
  const prefix = api.storage("", "v1", "events")?.prefix();
  return {
    page: async (after, limit) => {
      if (prefix === undefined) return [];
      return (await api.store.list(prefix, { limit, ...(after !== undefined && { after }) })).entries;
    },
    remove: async ({ key, modified }) => {
      await api.store.delete(key, { modified });
    },
    follow: (changed) => {
      if (prefix === undefined) return () => undefined;
      const watch = api.store.watch(prefix, undefined, {
        events: (events) => {
          for (const event of events) changed(changeOf(event));
        },
        // The next walk counts anew.
        failed: () => undefined,
      });
      return () => watch.close();
    },
  };
}

function changeOf(event: StoreEvent): ShelfChange {
  const before = event.before?.value.length ?? 0;
  if (event.type === "delete") return { count: -1, bytes: -before };
  return { count: event.before ? 0 : 1, bytes: event.entry.value.length - before };
}
