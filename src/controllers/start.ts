/** @module All controllers of a cluster, over one set of informers. */
import type { Client } from "../client/client.ts";
import type { ResourceType } from "../client/objects.ts";
import type { Context, Controller } from "./context.ts";
import { CronJobController } from "./cron-job.ts";
import { DaemonSetController } from "./daemon-set.ts";
import { DeploymentController } from "./deployment.ts";
import { DisruptionBudgetController } from "./disruption-budget.ts";
import { EndpointSliceController } from "./endpoint-slice.ts";
import { EndpointSliceMirroring } from "./endpoint-slice-mirroring.ts";
import { EndpointsController } from "./endpoints.ts";
import { EventExpiry, type EventShelf } from "./event-expiry.ts";
import { GarbageCollector } from "./garbage-collector.ts";
import { Informers } from "./informers.ts";
import { JobController, type JobOptions } from "./job.ts";
import { NamespaceController } from "./namespace.ts";
import { NodeLifecycleController, type NodeLifecycleOptions } from "./node-lifecycle.ts";
import { ReplicaSetController } from "./replica-set.ts";
import { Scheduler } from "./scheduler.ts";
import { LoadBalancerController } from "./service-load-balancer.ts";
import { StatefulSetController } from "./stateful-set.ts";

export interface ControllerOptions {
  /** A client that writes in a controller's name. */
  readonly client: (name: string) => Client;
  /** All that can be listed and watched, custom resources included: asked anew now and then. */
  readonly resources: () => readonly ResourceType[];
  /** PEM of who signs the API server's certificate. */
  readonly authority: string;
  /** Networks whose addresses Services of type LoadBalancer get. */
  readonly loadBalancers: readonly string[];
  /** Where the events are stored. */
  readonly events: EventShelf;
  readonly log: (line: string) => void;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  readonly nodes?: NodeLifecycleOptions;
  readonly jobs?: JobOptions;
}

/**
 * Starts them and does not wait for their informers: each begins when what it looks at is known. May be stopped and
 * started at any moment; nothing is remembered but in the objects themselves.
 */
export function startControllers(options: ControllerOptions): Promise<{ stop(): void }> {
  const { client, log, resources, authority, loadBalancers, now = Date.now } = options;
  let isStopped = false;
  const informers = new Informers(client("kube-controller-manager"), (error, { plural }) => {
    if (!isStopped) log(`${plural}: ${error instanceof Error ? error.message : String(error)}`);
  });
  const context: Context = { informers, client, log, now };
  const controllers: readonly Controller[] = [
    new ReplicaSetController(context),
    new Scheduler(context),
    new DeploymentController(context),
    new EndpointSliceController(context),
    new EndpointSliceMirroring(context),
    new EndpointsController(context),
    new NamespaceController(context, { resources, authority }),
    new GarbageCollector(context, resources),
    new NodeLifecycleController(context, options.nodes),
    new DaemonSetController(context),
    new StatefulSetController(context),
    new JobController(context, options.jobs),
    new CronJobController(context),
    new LoadBalancerController(context, loadBalancers),
    new DisruptionBudgetController(context),
    new EventExpiry(options.events, context),
  ];
  const stop = (): void => {
    isStopped = true;
    for (const controller of controllers) controller.stop();
    informers.stop();
  };
  return Promise.resolve({ stop });
}
