/** @module What `tortie up` is told on the command line. */

export interface UpFlags {
  readonly name: string;
  readonly nodes?: number;
  readonly podCidr: readonly string[];
  readonly serviceCidr: readonly string[];
  readonly ipv6?: boolean;
  readonly port?: number;
  readonly store?: string;
  readonly denyWith?: "drop" | "reject";
  readonly images?: string;
  readonly config?: string;
  readonly detach?: boolean;
  readonly kubeconfig: boolean;
}
