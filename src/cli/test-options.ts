/** @module What `tortie test` is told, and what it has read. */
import type { Issue } from "../base/issue.ts";
import type { EnforcementOptions } from "../judges/ruleset-judge.ts";
import type { KubernetesObject } from "../resources/object.ts";
import type { ConnectivityTest } from "../resources/tortie/types.ts";

export interface TestOptions extends EnforcementOptions {
  readonly on?: string;
  readonly json?: boolean;
  readonly output?: "json" | "yaml";
  readonly junit?: string;
  /** Patterns of files that are not read. */
  readonly exclude?: readonly string[];
  readonly keepGoing?: boolean;
  readonly verbose?: boolean;
  readonly podCidr?: readonly string[];
  readonly staged?: boolean;
  /** A running cluster, by its context, in place of the manifests that the tests name. */
  readonly context?: string | true;
  /** With `context`: ask the cluster's packets too. */
  readonly probe?: boolean;
}

export interface LoadedTest {
  readonly file: string;
  readonly test: ConnectivityTest;
  readonly manifests: readonly KubernetesObject[];
  readonly applied: ReadonlyMap<string, readonly KubernetesObject[]>;
  readonly issues: readonly Issue[];
}
