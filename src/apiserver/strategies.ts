/** @module What is special about each kind: defaults, what the server decides, validation. */

import { ownValue } from "../base/own.ts";
import { CRON_JOB } from "./kinds/cron-job.ts";
import { CUSTOM_RESOURCE_DEFINITION } from "./kinds/custom-resource-definition.ts";
import { BINDING, CONFIG_MAP, NAMESPACE, NODE, SECRET } from "./kinds/plain.ts";
import { POD } from "./kinds/pod.ts";
import { NETWORK_POLICY, POLICY } from "./kinds/policy.ts";
import { PRIORITY_CLASS } from "./kinds/priority-class.ts";
import { SERVICE } from "./kinds/service.ts";
import { DAEMON_SET, DEPLOYMENT, JOB, REPLICA_SET, STATEFUL_SET } from "./kinds/workload.ts";
import type { Strategy } from "./served.ts";

const STRATEGIES: Readonly<Record<string, Strategy>> = {
  ConfigMap: CONFIG_MAP,
  CronJob: CRON_JOB,
  CustomResourceDefinition: CUSTOM_RESOURCE_DEFINITION,
  DaemonSet: DAEMON_SET,
  Deployment: DEPLOYMENT,
  Job: JOB,
  Namespace: NAMESPACE,
  NetworkPolicy: NETWORK_POLICY,
  Node: NODE,
  Pod: POD,
  PriorityClass: PRIORITY_CLASS,
  ReplicaSet: REPLICA_SET,
  Secret: SECRET,
  Service: SERVICE,
  StatefulSet: STATEFUL_SET,
  binding: BINDING,
  policy: POLICY,
};

export function strategyOf(kind: string): Strategy {
  return ownValue(STRATEGIES, kind) ?? {};
}
