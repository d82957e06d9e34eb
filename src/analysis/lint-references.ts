/** @module Names that lead nowhere: tiers, profiles, Services, the targets of staged policies. */
import { formatPosition, type Issue } from "../base/issue.ts";
import { BUILT_IN_TIERS } from "../policy/model.ts";
import type { CalicoRule } from "../resources/calico/types.ts";
import { closestWord } from "../resources/decode/closest-word.ts";
import { type KubernetesObject, objectName } from "../resources/object.ts";
import { finding, type LintView, listed, originOf } from "./lint-view.ts";
import { enforcedFrom, isStaged } from "./staged.ts";

/** `did you mean platform?` before what else there is to do. */
function hintFor(word: string, candidates: Iterable<string>, otherwise: string): string {
  const near = closestWord(word, candidates);
  return near === undefined ? otherwise : `did you mean ${near}? Otherwise ${otherwise}`;
}

function calicoSpecOf(
  object: KubernetesObject,
): { readonly tier: string; readonly rules: readonly CalicoRule[] } | undefined {
  switch (object.kind) {
    case "CalicoNetworkPolicy":
    case "GlobalNetworkPolicy":
    case "StagedNetworkPolicy":
    case "StagedGlobalNetworkPolicy":
      return { tier: object.spec.tier, rules: [...object.spec.ingress, ...object.spec.egress] };
    default:
      return undefined;
  }
}

/** Cost: objects; for each finding, tiers. */
export function* unknownTiers({ objects }: Pick<LintView, "objects">): Iterable<Issue> {
  const known = new Set(BUILT_IN_TIERS.map(({ name }) => name));
  for (const object of objects) if (object.kind === "Tier") known.add(object.name);
  for (const object of objects) {
    const tier = calicoSpecOf(object)?.tier;
    if (tier === undefined || known.has(tier)) continue;
    yield finding(originOf(object), {
      code: "unknown-tier",
      path: "spec.tier",
      message: `there is no tier ${tier}: the policy is enforced after all tiers that exist, and what none of the rules there decides is denied`,
      hint: hintFor(tier, known, `give the Tier ${tier} too; there are ${listed([...known].sort(), 6)}`),
    });
  }
}

/** Cost: objects. */
export function* builtInTiers({ objects }: LintView): Iterable<Issue> {
  for (const object of objects) {
    if (object.kind !== "Tier") continue;
    const builtIn = BUILT_IN_TIERS.find(({ name }) => name === object.name);
    if (!builtIn) continue;
    const action = builtIn.defaultAction === "deny" ? "Deny" : "Pass";
    // An order that is left out is no wish for another one.
    const moved = Number.isFinite(object.order) && object.order !== builtIn.order;
    if (!moved && object.defaultAction === action) continue;
    yield finding(originOf(object), {
      code: "built-in-tier",
      path: moved ? "spec.order" : "spec.defaultAction",
      message: `tier ${builtIn.name} is built in and fixed (order ${builtIn.order}, ${action}): what this object says of it is ignored`,
      hint: "use a tier of another name",
    });
  }
}

/** Profiles and Services that objects name and nobody gave. Cost: objects and the rules of Calico's policies. */
export function* references(view: LintView): Iterable<Issue> {
  const profiles = view.objects.flatMap((object) => (object.kind === "Profile" ? [object.name] : []));
  const services = servicesOf(view.objects);
  for (const object of view.objects) {
    if (object.kind === "HostEndpoint" || object.kind === "WorkloadEndpoint") {
      for (const name of missingProfiles(object.profiles, view)) {
        yield finding(originOf(object), {
          code: "profile-missing",
          path: `spec.profiles[${object.profiles.indexOf(name)}]`,
          message: `there is no profile ${name}: what no policy decides is denied`,
          hint: hintFor(name, [...profiles, ALLOWING_PROFILE], `give the Profile ${name} too`),
        });
      }
      continue;
    }
    for (const { source, destination } of rulesOf(object)) {
      for (const { services: named, path } of [source, destination]) {
        if (!named || services.has(`${named.namespace}/${named.name}`)) continue;
        yield finding(originOf(object), {
          code: "service-missing",
          path: `${path}.services`,
          message: `there is no Service ${named.namespace}/${named.name}, so the rule matches nothing`,
          hint: hintFor(
            `${named.namespace}/${named.name}`,
            services,
            "give the Service too, or its EndpointSlices",
          ),
        });
      }
    }
  }
}

function rulesOf(object: KubernetesObject): readonly CalicoRule[] {
  if (object.kind === "Profile") return [...object.ingress, ...object.egress];
  return calicoSpecOf(object)?.rules ?? [];
}

/** What hosts are given so that they stay as they are until a policy selects them. */
const ALLOWING_PROFILE = "projectcalico-default-allow";

/** Those that are neither given nor implied by a namespace or service account. */
export function missingProfiles(profiles: readonly string[], { names }: LintView): string[] {
  return profiles.filter(
    (name) =>
      name !== ALLOWING_PROFILE &&
      !name.startsWith("kns.") &&
      !name.startsWith("ksa.") &&
      !names.has(`Profile ${name}`),
  );
}

function servicesOf(objects: readonly KubernetesObject[]): Set<string> {
  const services = new Set<string>();
  for (const object of objects) {
    if (object.kind === "Service") services.add(`${object.namespace}/${object.name}`);
    if (object.kind === "EndpointSlice" && object.serviceName !== undefined)
      services.add(`${object.namespace}/${object.serviceName}`);
  }
  return services;
}

/** Cost: objects. */
export function* staged({ objects, names }: LintView): Iterable<Issue> {
  for (const object of objects) {
    if (!isStaged(object)) continue;
    const target = objectName(enforcedFrom(object));
    if (object.stagedAction === "Delete" && !names.has(target)) {
      const near = closestWord(target, names);
      yield finding(originOf(object), {
        code: "staged-target-missing",
        path: "spec.stagedAction",
        message: `it would delete ${target}, which is not there`,
        hint: near === undefined ? "give the policy that it is to delete too" : `did you mean ${near}?`,
      });
    }
    if (object.stagedAction === "Learn" || object.stagedAction === "Ignore") {
      yield finding(originOf(object), {
        code: "staged-not-previewed",
        path: "spec.stagedAction",
        message: `stagedAction ${object.stagedAction} is not previewed: answers with --staged leave it out`,
        hint: "Set previews the policy, Delete what is left without its target",
      });
    }
  }
}

/**
 * Calico's policies with egress rules alone and without `types`: they say nothing about ingress, where a Kubernetes policy
 * without `policyTypes` would isolate. The opposite, ingress rules alone, means the same in both APIs and is not told.
 *
 * Whether `types` was written is seen by its place in the file, so nothing is told of objects that no file holds.
 * Cost: policies; for those with egress rules alone, two places in their file.
 */
export function* directionsByDefault({ objects }: LintView): Iterable<Issue> {
  for (const object of objects) {
    if (object.kind !== "CalicoNetworkPolicy" && object.kind !== "GlobalNetworkPolicy") continue;
    const { types, egress } = object.spec;
    if (types.ingress || !types.egress || egress.length === 0) continue;
    const spec = object.source.locate("spec");
    const written = object.source.locate("spec.types");
    // What is not there is placed at its parent.
    if (!spec || !written || formatPosition(spec) !== formatPosition(written)) continue;
    yield finding(originOf(object), {
      code: "types-by-default",
      path: "spec",
      message:
        "without types, egress rules alone govern egress alone: ingress of what it selects stays as it is",
      hint: "write types: [Egress] where that is meant, [Ingress, Egress] to isolate both",
    });
  }
}
