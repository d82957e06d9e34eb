/** @module Which ReplicaSet stands for which template of a Deployment, and how its revisions are counted. */
import type { PodTemplateSpec } from "kubernetes-types/core/v1.js";
import type { Deployment, ReplicaSet } from "../client/kinds.ts";
import { DEPLOYMENTS } from "../client/kinds.ts";
import { byAge, freshReplicas, limitsOf } from "./deployment-scaling.ts";
import { canonical } from "./equal.ts";
import { ownedBy } from "./owners.ts";
import { templateHash } from "./template-hash.ts";

export const HASH_LABEL = "pod-template-hash";
export const REVISION = "deployment.kubernetes.io/revision";
const HISTORY = "deployment.kubernetes.io/revision-history";
const DESIRED = "deployment.kubernetes.io/desired-replicas";
const MOST = "deployment.kubernetes.io/max-replicas";
const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";
/** The Deployment's annotations that are not those of its sets. */
const OWN: readonly string[] = [LAST_APPLIED, REVISION, HISTORY, DESIRED, MOST];

function withoutHash(template: PodTemplateSpec | undefined): PodTemplateSpec | undefined {
  if (!template?.metadata?.labels) return template;
  const { [HASH_LABEL]: _, ...labels } = template.metadata.labels;
  return { ...template, metadata: { ...template.metadata, labels } };
}

/** The oldest that has the Deployment's template. */
export function findFresh(deployment: Deployment, sets: readonly ReplicaSet[]): ReplicaSet | undefined {
  if (sets.length === 0) return undefined;
  const wanted = canonical(templateText(deployment.spec.template));
  return [...sets]
    .sort(byAge)
    .find((set) => canonical(templateText(withoutHash(set.spec.template))) === wanted);
}

/** The server gives a template no creation time; some clients send `null`. */
function templateText(template: PodTemplateSpec | undefined): unknown {
  const { labels, annotations } = template?.metadata ?? {};
  const isEmpty = (map: object | undefined): boolean => Object.keys(map ?? {}).length === 0;
  return {
    spec: template?.spec,
    labels: isEmpty(labels) ? undefined : labels,
    annotations: isEmpty(annotations) ? undefined : annotations,
  };
}

export function revisionOf({ metadata }: ReplicaSet | Deployment): number {
  return Number(metadata.annotations?.[REVISION] ?? 0) || 0;
}

/** The annotations of the set of the present template: a revision above all others, and who asked for it. */
export function freshAnnotations(
  deployment: Deployment,
  fresh: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
): Record<string, string> {
  const present = fresh?.metadata.annotations ?? {};
  const highest = Math.max(0, ...old.map(revisionOf));
  const known = fresh ? revisionOf(fresh) : 0;
  const revision = known > highest ? known : highest + 1;
  const inherited = Object.entries(deployment.metadata.annotations ?? {}).filter(
    ([key]) => !OWN.includes(key),
  );
  const history =
    known > 0 && known !== revision
      ? [...(present[HISTORY] ?? "").split(",").filter((one) => one !== ""), String(known)].join(",")
      : present[HISTORY];
  return {
    ...present,
    ...Object.fromEntries(inherited),
    ...sizeAnnotations(deployment),
    [REVISION]: String(revision),
    ...(history !== undefined && { [HISTORY]: history }),
  };
}

/** For what size a set was scaled: a set whose annotations differ is scaled in proportion. */
export function sizeAnnotations(deployment: Deployment): Record<string, string> {
  const wanted = deployment.spec.replicas ?? 1;
  return { [DESIRED]: String(wanted), [MOST]: String(wanted + limitsOf(deployment).maxSurge) };
}

export function isSizedFor(deployment: Deployment, set: ReplicaSet): boolean {
  const said = set.metadata.annotations?.[DESIRED];
  return said === undefined || said === String(deployment.spec.replicas ?? 1);
}

export function newSet(deployment: Deployment, old: readonly ReplicaSet[]): ReplicaSet {
  const { spec, metadata } = deployment;
  const hash = templateHash(templateText(spec.template), deployment.status?.collisionCount ?? 0);
  const labels = { ...spec.template.metadata?.labels, [HASH_LABEL]: hash };
  return {
    apiVersion: "apps/v1",
    kind: "ReplicaSet",
    metadata: {
      name: `${metadata.name}-${hash}`,
      ...(metadata.namespace !== undefined && { namespace: metadata.namespace }),
      labels,
      annotations: freshAnnotations(deployment, undefined, old),
      ownerReferences: [ownedBy(deployment, DEPLOYMENTS)],
    },
    spec: {
      replicas: freshReplicas(deployment, undefined, old),
      ...(spec.minReadySeconds !== undefined && { minReadySeconds: spec.minReadySeconds }),
      selector: {
        ...spec.selector,
        matchLabels: { ...spec.selector.matchLabels, [HASH_LABEL]: hash },
      },
      template: { ...spec.template, metadata: { ...spec.template.metadata, labels } },
    },
  };
}
