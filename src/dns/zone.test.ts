import { decode, encode } from "dns-packet";
import { describe, expect, it } from "vitest";
import type { EndpointSlice, Service } from "../client/kinds.ts";
import { answer } from "./answer.ts";
import { Zone } from "./zone.ts";

function service(name: string, spec: object): Service {
  return { apiVersion: "v1", kind: "Service", metadata: { name, namespace: "shop" }, spec } as Service;
}

function slice(
  name: string,
  of: string,
  endpoints: object[],
  ports = [{ name: "http", port: 8080, protocol: "TCP" }],
): EndpointSlice {
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name, namespace: "shop", labels: { "kubernetes.io/service-name": of } },
    addressType: "IPv4",
    endpoints,
    ports,
  } as EndpointSlice;
}

function zone(): Zone {
  const made = new Zone();
  made.setNamespace("shop");
  made.setService(
    service("web", {
      clusterIP: "10.96.7.7",
      clusterIPs: ["10.96.7.7", "fd00:10:96::7"],
      ports: [{ name: "http", port: 80, protocol: "TCP" }],
    }),
  );
  made.setService(
    service("db", { clusterIP: "None", clusterIPs: ["None"], ports: [{ name: "http", port: 8080 }] }),
  );
  made.setService(service("out", { type: "ExternalName", externalName: "example.com" }));
  made.setSlice(
    slice("db-1", "db", [
      { addresses: ["192.168.0.5"], conditions: { ready: true }, hostname: "db-0" },
      { addresses: ["192.168.0.6"], conditions: { ready: true } },
      { addresses: ["192.168.0.7"], conditions: { ready: false } },
    ]),
  );
  return made;
}

const answers = (name: string, type: string): unknown[] =>
  zone()
    .lookup(name, type)
    .answers.map(({ data }) => data);

describe("names of Services (Kubernetes DNS specification 1.1.0)", () => {
  it("a Service with an address has A and AAAA records", () => {
    expect(answers("web.shop.svc.cluster.local", "A")).toEqual([{ type: "A", address: "10.96.7.7" }]);
    expect(answers("WEB.shop.svc.cluster.local.", "AAAA")).toEqual([
      { type: "AAAA", address: "fd00:10:96::7" },
    ]);
  });

  it("a headless Service has the addresses of its ready endpoints, each by its own name too", () => {
    expect(answers("db.shop.svc.cluster.local", "A")).toEqual([
      { type: "A", address: "192.168.0.5" },
      { type: "A", address: "192.168.0.6" },
    ]);
    expect(answers("db-0.db.shop.svc.cluster.local", "A")).toEqual([{ type: "A", address: "192.168.0.5" }]);
    expect(answers("192-168-0-6.db.shop.svc.cluster.local", "A")).toEqual([
      { type: "A", address: "192.168.0.6" },
    ]);
  });

  it("named ports have SRV records: the Service's own, or one for each endpoint", () => {
    expect(answers("_http._tcp.web.shop.svc.cluster.local", "SRV")).toEqual([
      { type: "SRV", target: "web.shop.svc.cluster.local", port: 80, priority: 0, weight: 100 },
    ]);
    expect(
      zone()
        .lookup("_http._tcp.db.shop.svc.cluster.local", "SRV")
        .answers.map(({ data }) => (data as { target: string }).target),
    ).toEqual(["db-0.db.shop.svc.cluster.local", "192-168-0-6.db.shop.svc.cluster.local"]);
    expect(zone().lookup("_none._tcp.web.shop.svc.cluster.local", "SRV").exists).toBe(false);
  });

  it("addresses lead back to names", () => {
    expect(answers("7.7.96.10.in-addr.arpa", "PTR")).toEqual([
      { type: "PTR", target: "web.shop.svc.cluster.local" },
    ]);
    expect(answers("5.0.168.192.in-addr.arpa", "PTR")).toEqual([
      { type: "PTR", target: "db-0.db.shop.svc.cluster.local" },
    ]);
  });

  it("an ExternalName is an alias", () => {
    expect(answers("out.shop.svc.cluster.local", "A")).toEqual([{ type: "CNAME", target: "example.com" }]);
  });

  it("an alias of a name of ours brings that one's addresses, and one that leads to itself ends", () => {
    const made = zone();
    const alias = (name: string, externalName: string): void =>
      made.setService(service(name, { type: "ExternalName", externalName }));
    alias("second", "web.shop.svc.cluster.local.");
    alias("first", "second.shop.svc.cluster.local");
    alias("round", "round.shop.svc.cluster.local");
    const found = (name: string): unknown[] =>
      made.lookup(`${name}.shop.svc.cluster.local`, "A").answers.map(({ data }) => data.type);
    expect(found("second")).toEqual(["CNAME", "A"]);
    expect(found("first")).toEqual(["CNAME", "CNAME", "A"]);
    expect(new Set(found("round"))).toEqual(new Set(["CNAME"]));
    expect(made.lookup("second.shop.svc.cluster.local", "CNAME").answers).toHaveLength(1);
  });

  it("a name without records of a type exists; one of nobody does not", () => {
    expect(zone().lookup("web.shop.svc.cluster.local", "TXT")).toMatchObject({ exists: true, answers: [] });
    expect(zone().lookup("shop.svc.cluster.local", "A")).toMatchObject({ exists: true, answers: [] });
    expect(zone().lookup("nobody.shop.svc.cluster.local", "A").exists).toBe(false);
    expect(zone().lookup("web.elsewhere.svc.cluster.local", "A").exists).toBe(false);
  });

  it("what is gone is not answered any more", () => {
    const made = zone();
    made.removeService(service("web", { clusterIP: "10.96.7.7", clusterIPs: ["10.96.7.7"] }));
    made.removeSlice(slice("db-1", "db", []));
    expect(made.lookup("web.shop.svc.cluster.local", "A").exists).toBe(false);
    expect(made.lookup("db.shop.svc.cluster.local", "A").answers).toEqual([]);
    expect(made.lookup("5.0.168.192.in-addr.arpa", "PTR").exists).toBe(false);
  });
});

describe("messages", () => {
  const ask = (name: string, type: string, made = zone(), limit: "udp" | "tcp" = "udp", id = 7) => {
    const bytes = answer(
      made,
      encode({ type: "query", id, flags: 256, questions: [{ name, type: type as "A" }] }),
      limit,
    );
    return decode(bytes ?? Buffer.alloc(0));
  };

  it("an answer has the question's number, and says that it knows", () => {
    const told = ask("web.shop.svc.cluster.local", "A");
    expect(told).toMatchObject({ id: 7, type: "response", flag_aa: true, flag_ra: true, rcode: "NOERROR" });
    expect(told.answers?.[0]).toMatchObject({ data: "10.96.7.7", ttl: 30 });
  });

  it("nobody's name is NXDOMAIN with the zone's SOA; a name of the world outside fails", () => {
    const told = ask("nobody.shop.svc.cluster.local", "A");
    expect(told).toMatchObject({ rcode: "NXDOMAIN" });
    expect(told.authorities?.[0]?.type).toBe("SOA");
    expect(ask("example.com", "A")).toMatchObject({ rcode: "SERVFAIL" });
  });

  it("an answer too long for a datagram is cut over UDP and whole over TCP", () => {
    const made = zone();
    const many = Array.from({ length: 100 }, (_, index) => ({
      addresses: [`192.168.1.${index + 1}`],
      conditions: { ready: true },
    }));
    made.setSlice(slice("db-2", "db", many));
    expect(ask("db.shop.svc.cluster.local", "A", made)).toMatchObject({ flag_tc: true });
    expect(ask("db.shop.svc.cluster.local", "A", made, "tcp").answers).toHaveLength(102);
  });

  it("each address of several is first in its turn", () => {
    const order = (id: number): unknown =>
      ask("db.shop.svc.cluster.local", "A", zone(), "udp", id).answers?.map(
        (one) => "data" in one && one.data,
      );
    expect([order(0), order(1), order(2)]).toEqual([
      ["192.168.0.5", "192.168.0.6"],
      ["192.168.0.6", "192.168.0.5"],
      ["192.168.0.5", "192.168.0.6"],
    ]);
  });

  it("what is no question gets no answer", () => {
    expect(answer(zone(), Buffer.from([1, 2, 3]), "udp")).toBeUndefined();
  });
});
