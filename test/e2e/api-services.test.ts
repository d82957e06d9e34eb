/** @module The API server over HTTP: addresses and ports of Services, and what else is refused of objects' fields. */
import { describe, expect, it, test } from "vitest";
import { SERVICES, type Service } from "../../src/client/kinds.ts";
import { AS_ADMIN, controlPlaneForFile, refusalOf } from "../support/control-plane.ts";

const { api, admin } = await controlPlaneForFile();

const path = "/api/v1/namespaces/default/services";
const service = (name: string, spec: object = {}) => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name, namespace: "default" },
  spec: { ports: [{ port: 80 }], ...spec },
});
const make = async (name: string, spec: object = {}): Promise<Service> =>
  (await admin.raw("POST", path, service(name, spec))) as Service;
const patch = (name: string, body: unknown, query = "") =>
  api.raw({
    method: "PATCH",
    path: `${path}/${name}${query}`,
    headers: { ...AS_ADMIN, "content-type": "application/merge-patch+json" },
    body: JSON.stringify(body),
  });
const portOf = (one: Service) => one.spec.ports?.[0]?.nodePort ?? 0;

describe("what a Service has is its own until a write has taken it away", () => {
  it("a dry run frees nothing", async () => {
    const one = await make("dry", { type: "NodePort" });
    const answer = await patch("dry", { spec: { type: "ClusterIP" } }, "?dryRun=All");
    expect(answer.code).toBe(200);
    await patch("dry", { spec: { type: "ExternalName", externalName: "a.example" } }, "?dryRun=All");
    const port = portOf(one);
    const error = await refusalOf(make("thief", { type: "NodePort", ports: [{ port: 80, nodePort: port }] }));
    expect(error.message).toContain("provided port is already allocated");
    expect((await refusalOf(make("thief", { clusterIP: one.spec.clusterIP }))).message).toContain(
      "provided IP is already allocated",
    );
  });

  it("nor does a change that is refused, nor keep what it would have had", async () => {
    const one = await make("refused", { type: "NodePort" });
    const port = portOf(one);
    const wrong = { spec: { type: "ExternalName", externalName: "_", ports: [{ port: 0 }] } };
    expect((await patch("refused", wrong)).code).toBe(422);
    expect((await refusalOf(make("thief", { clusterIP: one.spec.clusterIP }))).code).toBe(422);
    const bad = { spec: { ports: [{ port: 80, nodePort: 31_999, protocol: "X" }] } };
    expect((await patch("refused", bad)).code).toBe(422);
    await refusalOf(
      make("broken", { type: "NodePort", ports: [{ port: 80, nodePort: 31_998, protocol: "X" }] }),
    );
    await make("free", { type: "NodePort", ports: [{ port: 80, nodePort: 31_999 }] });
    await make("free-too", { type: "NodePort", ports: [{ port: 80, nodePort: 31_998 }] });
    expect(
      (await refusalOf(make("thief", { type: "NodePort", ports: [{ port: 80, nodePort: port }] }))).code,
    ).toBe(422);
  });

  it("a change that is written frees what it leaves: a port, an address, the second family's address", async () => {
    const one = await make("leaving", { type: "NodePort", ipFamilyPolicy: "PreferDualStack" });
    const [, second = ""] = one.spec.clusterIPs ?? [];
    expect(second).toContain("fd00");
    const single = { ipFamilyPolicy: "SingleStack", clusterIPs: [one.spec.clusterIP], ipFamilies: ["IPv4"] };
    expect((await patch("leaving", { spec: { ...single, type: "ClusterIP" } })).code).toBe(200);
    await make("heir", { type: "NodePort", ports: [{ port: 80, nodePort: portOf(one) }] });
    await make("heir6", { clusterIP: second });
    expect((await patch("leaving", { spec: { type: "ExternalName", externalName: "a.example" } })).code).toBe(
      200,
    );
    await make("heir4", { clusterIP: one.spec.clusterIP });
  });

  it("two changes at once leave every address with one Service", async () => {
    await make("racy", { type: "NodePort" });
    await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        patch("racy", { spec: { ports: [{ port: 80, nodePort: 31_500 + (index % 2) }] } }),
      ),
    );
    const now = await admin.get(SERVICES, { name: "racy", namespace: "default" });
    const kept = portOf(now);
    const other = kept === 31_500 ? 31_501 : 31_500;
    await make("other", { type: "NodePort", ports: [{ port: 80, nodePort: other }] });
    expect(
      (await refusalOf(make("thief", { type: "NodePort", ports: [{ port: 80, nodePort: kept }] }))).code,
    ).toBe(422);
  });
});

describe("fields of Services", () => {
  test.each([
    [{ externalTrafficPolicy: "Local" }, "spec.externalTrafficPolicy"],
    [{ loadBalancerSourceRanges: ["10.0.0.0/8"] }, "spec.loadBalancerSourceRanges"],
    [{ type: "LoadBalancer", loadBalancerSourceRanges: ["nowhere"] }, "spec.loadBalancerSourceRanges[0]"],
    [{ externalIPs: ["127.0.0.1"] }, "spec.externalIPs[0]"],
    [{ externalIPs: ["169.254.1.1"] }, "spec.externalIPs[0]"],
    [{ externalIPs: ["0.0.0.0"] }, "spec.externalIPs[0]"],
    [{ externalIPs: ["fe80::1"] }, "spec.externalIPs[0]"],
    [{ externalIPs: ["224.0.0.1"] }, "spec.externalIPs[0]"],
    [{ externalIPs: ["10.96.0.1"] }, "spec.externalIPs[0]"],
    [{ externalIPs: ["192.168.1.1"] }, "spec.externalIPs[0]"],
  ])("%j is refused at %s", async (spec, field) => {
    const error = await refusalOf(make("fields", spec));
    const { causes } = error.details as { causes: { field: string }[] };
    expect([error.code, causes.map((cause) => cause.field)]).toEqual([422, [field]]);
  });

  it("what is sound is taken", async () => {
    await make("sound", {
      type: "LoadBalancer",
      externalTrafficPolicy: "Local",
      loadBalancerSourceRanges: ["10.0.0.0/8", " 2001:db8::/32"],
      externalIPs: ["198.51.100.7"],
    });
  });
});
