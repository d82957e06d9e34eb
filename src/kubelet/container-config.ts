/** @module What the runtime is told of a container: its spec, and what the pod, its volumes and its Services add. */
import path from "node:path";
import type { Container, PodSpec, SeccompProfile } from "kubernetes-types/core/v1.js";
import type { Client } from "../client/client.ts";
import type { Service } from "../client/kinds.ts";
import { quantityOf } from "../resources/quantity.ts";
import { ConfigError } from "./config-error.ts";
import { environmentOf, expand, type PodFacts } from "./environment.ts";
import type { PodVolumes } from "./pod-volumes.ts";
import type { ContainerConfig, Security } from "./runtime/container.ts";

export interface ConfigSources {
  readonly client: Client;
  readonly services: Iterable<Service>;
  readonly facts: PodFacts;
  readonly volumes: PodVolumes;
  /** The pod's own folder. */
  readonly directory: string;
  readonly logPath: string;
  /** A token was asked for after the start: it is to be renewed some day. */
  readonly tokenMade: () => void;
}

/** @throws ConfigError when something that it refers to is not there; ApiError */
export async function containerConfig(
  container: Container,
  sources: ConfigSources,
): Promise<ContainerConfig> {
  const { client, services, facts, volumes, directory, logPath } = sources;
  const { spec } = facts.pod;
  // What only answers on ports reads no token, and a thousand of them are not asked for before somebody looks inside.
  const mayBePoint = container.command === undefined && container.args === undefined;
  const hasOwnAccount = (spec.serviceAccountName ?? "default") !== "default";
  const tokens = !mayBePoint || hasOwnAccount || volumes.hasToken ? await volumes.token(facts) : [];
  const env = await environmentOf(container, { client, services, facts });
  const values = new Map(env);
  const memoryBytes = quantityOf(container.resources?.limits?.["memory"]);
  const expandAll = (words: readonly string[]): string[] => words.map((word) => expand(word, values));
  return {
    name: container.name,
    image: container.image ?? "",
    ...(container.command && { command: expandAll(container.command) }),
    ...(container.args && { args: expandAll(container.args) }),
    env,
    ...(memoryBytes !== undefined && { memoryBytes: Math.ceil(memoryBytes) }),
    ...(container.workingDir && { workingDir: container.workingDir }),
    tty: container.tty === true,
    stdin: container.stdin === true,
    stdinOnce: container.stdinOnce === true,
    mounts: [...(await volumes.mountsOf(container, facts, values)), ...tokens],
    lateMounts: async () => {
      if (tokens.length > 0) return [];
      const late = await volumes.token(facts);
      sources.tokenMade();
      return late;
    },
    ports: (container.ports ?? []).map(
      ({ containerPort, protocol }) => ({ port: containerPort, protocol: protocol ?? "TCP" }) as never,
    ),
    logPath,
    etc: {
      hosts: path.join(directory, "etc", "hosts"),
      resolvConf: path.join(directory, "etc", "resolv.conf"),
    },
    security: securityOf(spec, container),
  };
}

/** Nobody, on every Linux: what has to be another than root, and does not say who, is that one. */
const NOBODY = 65_534;

/** Whether a container is to be somebody, which a cluster without root and ranges of users cannot make it. */
export function asksForUser({ securityContext: pod = {} }: PodSpec, container: Container): boolean {
  const own = container.securityContext ?? {};
  return (own.runAsNonRoot ?? pod.runAsNonRoot) === true || (own.runAsUser ?? pod.runAsUser) !== undefined;
}

/** The pod's securityContext, and the container's over it. @throws ConfigError, in the kubelet's words */
function securityOf(
  { securityContext: pod = {} }: PodSpec,
  { securityContext: own = {} }: Container,
): Security {
  const mustNotBeRoot = own.runAsNonRoot ?? pod.runAsNonRoot ?? false;
  const user = own.runAsUser ?? pod.runAsUser ?? (mustNotBeRoot ? NOBODY : undefined);
  if (mustNotBeRoot && user === 0) throw new ConfigError("container's runAsUser breaks non-root policy");
  const group = own.runAsGroup ?? pod.runAsGroup;
  const groups = [...(pod.supplementalGroups ?? []), ...(pod.fsGroup === undefined ? [] : [pod.fsGroup])];
  return {
    privileged: own.privileged === true,
    ...(user !== undefined && { user }),
    ...(group !== undefined && { group }),
    groups,
    readOnlyRoot: own.readOnlyRootFilesystem === true,
    noNewPrivileges: own.allowPrivilegeEscalation === false,
    seccomp: seccompOf(own.seccompProfile ?? pod.seccompProfile),
    addCapabilities: own.capabilities?.add ?? [],
    dropCapabilities: own.capabilities?.drop ?? [],
  };
}

/** Unconfined where nothing is said, as upstream's kubelet has it by default. @throws ConfigError */
function seccompOf(profile: SeccompProfile | undefined): Security["seccomp"] {
  if (!profile || profile.type === "Unconfined") return "Unconfined";
  if (profile.type === "RuntimeDefault") return "RuntimeDefault";
  throw new ConfigError(
    `seccompProfile.type ${JSON.stringify(profile.type)} is not supported here; use RuntimeDefault or Unconfined`,
  );
}
