/** @module A folder of manifests for tests of `tortie ctl`. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type CliResult, runCli } from "../testing.ts";

/** A policy of each API, a namespace and a pod, in one file. */
export const SHOP: string = `# The shop.
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata:
  name: deny-all   # closed
  labels: {team: net}
  uid: 1-2
spec:
  order: 2000
  selector: all()
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  selector: app == 'web'
  ingress:
  # the edge
  - action: Allow
    protocol: TCP
    destination: {ports: [80]}
  - action: Deny
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db}
spec: {podSelector: {matchLabels: {app: db}, matchExpressions: [{key: old, operator: DoesNotExist}]}}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {env: prod}}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
spec: {nodeName: n1, containers: [{name: c}]}
`;

/** A folder of its own with `shop.yaml` in it. */
export class TestFolder {
  readonly path: string = mkdtempSync(path.join(tmpdir(), "tortie-ctl."));

  constructor() {
    this.write("shop.yaml", SHOP);
  }

  write(name: string, text: string): void {
    writeFileSync(path.join(this.path, name), text);
  }

  read(name: string): string {
    return readFileSync(path.join(this.path, name), "utf8");
  }

  files(): string[] {
    return readdirSync(this.path).sort();
  }

  run(argv: readonly string[], input = ""): Promise<CliResult> {
    return runCli(["ctl", ...argv], { folder: this.path, input });
  }

  remove(): void {
    rmSync(this.path, { recursive: true });
  }
}

/** One GlobalNetworkPolicy, as YAML. */
export function gnp(name: string, spec = "{selector: all()}"): string {
  return `apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata: {name: ${name}}\nspec: ${spec}\n`;
}
