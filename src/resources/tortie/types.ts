/** @module tortie.dev/v1alpha1 ConnectivityTest, decoded. The format is described in docs/connectivity-test.md. */
import type { Labels } from "../object-head.ts";
import type { Source } from "../source.ts";

export type ProbeProtocol = "TCP" | "UDP" | "SCTP" | "ICMP";

export interface ConnectivityTest {
  readonly kind: "ConnectivityTest";
  readonly name: string;
  readonly source: Source;
  /** Files, folders and globs, relative to the test's file. */
  readonly manifests: readonly string[];
  /** Plain objects, not yet decoded, each with its path inside the test. */
  readonly objects: readonly InlineObject[];
  readonly cluster: ClusterShorthand;
  readonly probes: readonly Probe[];
  readonly matrix: readonly MatrixExpectation[];
  readonly steps: readonly Step[];
}

export interface InlineObject {
  readonly path: string;
  readonly value: unknown;
}

export interface ClusterShorthand {
  readonly nodes: readonly {
    readonly name: string;
    readonly ip?: string;
    readonly labels: Labels;
    readonly path: string;
  }[];
  readonly namespaces: readonly { readonly name: string; readonly labels: Labels; readonly path: string }[];
  readonly pods: readonly ShorthandPod[];
}

export interface ShorthandPod {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Labels;
  readonly node?: string;
  readonly ips: readonly string[];
  readonly hostNetwork: boolean;
  readonly serviceAccount: string;
  readonly ports: readonly {
    readonly port: number;
    readonly protocol: "TCP" | "UDP" | "SCTP";
    readonly name?: string;
  }[];
  readonly path: string;
}

export interface Probe {
  readonly path: string;
  /** `namespace/pod`, or an address outside the cluster. */
  readonly from: string;
  /** `namespace/pod`, `svc/namespace/name`, or an address. */
  readonly to: string;
  /** A number or the name of a port on the destination; absent for ICMP. */
  readonly port?: number | string;
  readonly protocol: ProbeProtocol;
  readonly icmpType?: number;
  readonly icmpCode?: number;
  readonly expect: "allow" | "deny";
  readonly established: boolean;
}

export interface MatrixExpectation {
  readonly path: string;
  readonly port?: number | string;
  readonly protocol: ProbeProtocol;
  readonly default: "allow" | "deny";
  /** In the order written: a later row wins over an earlier one. */
  readonly rows: readonly {
    readonly expect: "allow" | "deny";
    readonly from: string;
    readonly to: string;
    readonly path: string;
  }[];
}

export interface Step {
  readonly name: string;
  readonly path: string;
  /** File names relative to the test's file, or inline objects. */
  readonly apply: readonly (string | InlineObject)[];
  readonly delete: readonly {
    readonly kind: string;
    readonly namespace: string;
    readonly name: string;
    readonly path: string;
  }[];
  readonly label: readonly {
    readonly kind: string;
    readonly namespace: string;
    readonly name: string;
    /** null removes the label. */
    readonly labels: Readonly<Record<string, string | null>>;
    readonly path: string;
  }[];
  readonly probes: readonly Probe[];
  readonly matrix: readonly MatrixExpectation[];
}
