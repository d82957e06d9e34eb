/** @module What the machine is asked to send. */
import type { ProbeProtocol } from "../linux/probe.ts";

/** A packet that the machine is asked to send. */
export interface MachineProbe {
  readonly from: { readonly pod: string; readonly family: 4 | 6 } | { readonly address: string };
  readonly to: string;
  readonly protocol: ProbeProtocol;
  readonly port?: number;
  readonly icmp?: { readonly type: number; readonly code: number };
}
