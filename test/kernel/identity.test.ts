/** @module An address is who somebody is: nobody may take another's, and who gets one later has nothing of the first. */
import { describe, expect, test } from "vitest";
import { Cluster } from "../../src/analysis/cluster.ts";
import { ipBytes } from "../../src/base/ip.ts";
import { KernelJudge } from "../../src/lab/kernel-judge.ts";
import { Conntrack } from "../../src/linux/conntrack.ts";
import { checked, libc } from "../../src/linux/libc.ts";
import { inNamespace, type Netns } from "../../src/linux/netns.ts";
import { ipOf, openSocket, socketAddress } from "../../src/linux/sockets.ts";
import { decodeTexts } from "../../src/resources/load.ts";
import { kernelAvailable } from "../support/kernel.ts";

const PODS = ["a", "b", "c"]
  .map(
    (name) =>
      `apiVersion: v1\nkind: Pod\nmetadata: {name: ${name}, labels: {app: ${name}}}\nspec: {nodeName: one, containers: [{name: c, image: i, ports: [{containerPort: 80}]}]}\n`,
  )
  .join("---\n");
/** Of b: nobody but c may open a connection to it. */
const ONLY_C =
  "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: only-c}\nspec: {podSelector: {matchLabels: {app: b}}, ingress: [{from: [{podSelector: {matchLabels: {app: c}}}]}]}\n";
const NONE =
  "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: none}\nspec: {podSelector: {}, policyTypes: [Ingress, Egress]}\n";
const PORT = 5353;
const SOCK_RAW = 3;
const SOCK_DGRAM = 2;
const IPPROTO_RAW = 255;

function follow(judge: KernelJudge, cluster: Cluster, text: string): void {
  cluster.apply(decodeTexts([{ file: "m.yaml", text }]).objects);
  judge.follow(cluster, cluster.sync());
}

/** An IPv4 header, a UDP header without a checksum, and a word. */
function datagram(from: string, to: string): Buffer {
  const bytes = Buffer.alloc(32);
  bytes.set([0x45, 0, 0, 32, 0, 1, 0, 0, 64, 17], 0);
  bytes.set(ipBytes(ipOf(from)), 12);
  bytes.set(ipBytes(ipOf(to)), 16);
  bytes.writeUInt16BE(PORT, 20);
  bytes.writeUInt16BE(PORT, 22);
  bytes.writeUInt16BE(12, 24);
  return bytes;
}

function sendRaw(ns: Netns, from: string, to: string): void {
  const fd = inNamespace(ns, () => openSocket(4, SOCK_RAW, IPPROTO_RAW));
  const [bytes, where] = [datagram(from, to), socketAddress(ipOf(to), 0)];
  checked(libc().sendto(fd, bytes, bytes.length, 0, where, where.length), "send a raw packet");
  libc().close(fd);
}

/** A bound socket, and how many datagrams have come to it. */
function listen(ns: Netns): { received(): number; close(): void } {
  const fd = inNamespace(ns, () => openSocket(4, SOCK_DGRAM, 0));
  const any = socketAddress(ipOf("0.0.0.0"), PORT);
  checked(libc().bind(fd, any, any.length), "bind");
  const buffer = Buffer.alloc(64);
  return {
    received: () => {
      let count = 0;
      while (libc().recv(fd, buffer, buffer.length, 0) >= 0) count++;
      return count;
    },
    close: () => void libc().close(fd),
  };
}

describe.skipIf(!kernelAvailable())("an address", () => {
  test("is believed from its own pod's interface only, its own and open connections' included", () => {
    const cluster = new Cluster();
    const judge = new KernelJudge();
    try {
      follow(judge, cluster, PODS + ONLY_C);
      const pod = (name: string) => judge.lab.pod(`default/${name}`);
      const address = (name: string): string => pod(name).plan.addresses[0] ?? "";
      const heard = listen(pod("b").namespace);
      const from = (sender: string, claimed: string): number => {
        sendRaw(pod(sender).namespace, claimed, address("b"));
        return heard.received();
      };
      expect(from("c", address("c"))).toBe(1);
      expect(from("a", address("a"))).toBe(0);
      expect(from("a", address("b"))).toBe(0);
      // The connection that c has opened is not a's to go on with.
      sendRaw(pod("b").namespace, address("b"), address("c"));
      expect(from("a", address("c"))).toBe(0);
      expect(from("c", address("c"))).toBe(1);
      heard.close();
    } finally {
      judge.close();
    }
  });

  test("whose connections are forgotten has none that go on", async () => {
    const cluster = new Cluster();
    const judge = new KernelJudge();
    try {
      follow(judge, cluster, PODS);
      const question = { from: "a", to: "b", protocol: "UDP", port: 80 } as const;
      const other = { ...question, from: "c" } as const;
      expect(await judge.open(question)).toBe(true);
      expect(await judge.open(other)).toBe(true);
      follow(judge, cluster, NONE);
      expect((await judge.check(question)).outcome).toBe("allow");
      const address = judge.lab.pod("default/a").plan.addresses[0] ?? "";
      for (const { namespace } of judge.lab.nodes()) {
        const conntrack = new Conntrack(namespace);
        expect(conntrack.addresses().has(address)).toBe(true);
        conntrack.forget(ipOf(address));
        expect(conntrack.addresses().has(address)).toBe(false);
        conntrack.close();
      }
      expect((await judge.check(question)).outcome).toBe("deny");
      expect((await judge.check(other)).outcome).toBe("allow");
    } finally {
      judge.close();
    }
  });
});
