/**
 * @module Services as nftables: one map from a Service's address, protocol and port to a chain that picks a backend.
 * Only the first packet of a connection comes here; connection tracking translates the rest.
 */
import { shortHash } from "../base/hash.ts";
import { type Family, formatIp } from "../base/ip.ts";
import type { ServiceMapping } from "../policy/services.ts";
import { rule } from "./compile-chains.ts";
import { addressField } from "./compile-rule.ts";
import { BASE, selfSet, serviceChain, serviceMap } from "./names.ts";
import type { NftChain, NftRule, NftStatement } from "./table.ts";
import type { TableEditor } from "./table-editor.ts";

/** Set by a Service's chain on the packet that is to leave with the node's address. */
const MASQUERADE_MARK = 0x0400_0000;
/**
 * With affinity a client's address gives a slot, and each slot a backend: the one that wins for it. A backend that comes
 * or goes takes or leaves its own slots, and all other clients stay where they are.
 */
const SLOTS = 128;

/** nftables' own names for these: dstnat and srcnat. */
const DSTNAT = -100;
const SRCNAT = 100;

export class ServiceChains {
  readonly #editor: TableEditor;
  readonly #families: readonly Family[];
  /** Elements by map, and the chain that each one goes to. */
  #elements = new Map<string, { map: string; key: string; chain: string }>();
  #chains = new Set<string>();

  /** @param serviceNetworks - where Services have their addresses; what goes there and is no Service's is dropped */
  constructor(editor: TableEditor, families: readonly Family[], serviceNetworks: readonly string[] = []) {
    this.#editor = editor;
    this.#families = families;
    for (const family of families) {
      editor.createSet({
        kind: "verdict-map",
        name: serviceMap(family),
        key: [`address${family}`, "protocol", "port"],
      });
    }
    const dispatch = families.map(
      (family): NftRule =>
        rule(
          { kind: "compare", field: "family", equal: true, value: family === 4 ? 2 : 10 },
          {
            kind: "verdict-map",
            fields: [addressField("destination", family), "protocol", "destination-port"],
            map: serviceMap(family),
          },
        ),
    );
    const nat = (
      name: string,
      hook: "prerouting" | "output" | "postrouting",
      priority: number,
      rules: NftRule[],
    ): NftChain => ({
      name,
      hook: { type: "nat", hook, priority, policy: "accept" },
      rules,
    });
    // Nobody's address: let go, it would be remembered as a connection to the world, and stay untranslated for minutes
    // after the Service has come.
    const nobody = serviceNetworks.flatMap((cidr): NftRule[] => {
      const family: Family = cidr.includes(":") ? 6 : 4;
      if (!families.includes(family)) return [];
      const { statements } = rule(
        {
          kind: "prefix",
          field: family === 4 ? "destination-address4" : "destination-address6",
          cidr,
          inside: true,
        },
        { kind: "verdict", to: { verdict: "drop" } },
      );
      return [{ statements, comment: "no Service has this address and port" }];
    });
    editor.putChain(nat(BASE.servicesIn, "prerouting", DSTNAT, [...dispatch, ...nobody]));
    editor.putChain(nat(BASE.servicesOut, "output", DSTNAT, [...dispatch, ...nobody]));
    // A pod that reaches itself through a Service would answer itself directly, past the translation.
    const hairpin = families.map((family) => ({
      statements: rule(
        { kind: "ct-dnat" },
        {
          kind: "lookup",
          fields: [addressField("source", family), addressField("destination", family)],
          set: selfSet(family),
          present: true,
        },
        { kind: "masquerade" },
      ).statements,
      comment: "a pod that reaches itself through a Service",
    }));
    const external = {
      statements: rule(
        { kind: "mark-test", mask: MASQUERADE_MARK, value: MASQUERADE_MARK },
        { kind: "masquerade" },
      ).statements,
      comment: "from outside of the pods, through this node",
    };
    editor.putChain(nat(BASE.hairpin, "postrouting", SRCNAT, [...hairpin, external]));
  }

  set(mappings: readonly ServiceMapping[]): void {
    const elements = new Map<string, { map: string; key: string; chain: string }>();
    const chains = new Set<string>();
    // An address that is a Service's own is nobody else's, whatever external addresses they name.
    const own = mappings.filter(({ door }) => door === undefined);
    const doors = mappings.filter(({ door }) => door !== undefined);
    for (const mapping of [...own, ...doors]) {
      if (mapping.addresses.length === 0 || !this.#families.includes(mapping.family)) continue;
      const door = mapping.door === undefined ? "" : ` ${mapping.door} ${mapping.portName}`;
      const chain = serviceChain(
        `${mapping.service} ${mapping.family} ${mapping.protocol} ${mapping.port}${door}`,
      );
      chains.add(chain);
      this.#editor.putChain(chainOf(chain, mapping));
      for (const address of mapping.addresses) {
        const map = serviceMap(mapping.family);
        const key = `${formatIp(address)} . ${mapping.protocol} . ${mapping.port}`;
        const name = `${map} ${key}`;
        if (!elements.has(name)) elements.set(name, { map, key, chain });
      }
    }
    for (const [name, { map, key }] of this.#elements)
      if (!elements.has(name)) this.#editor.deleteElement(map, key);
    for (const { map, key, chain } of elements.values())
      this.#editor.setVerdict(map, key, { verdict: "goto", chain });
    for (const chain of this.#chains) if (!chains.has(chain)) this.#editor.deleteChain(chain);
    this.#elements = elements;
    this.#chains = chains;
  }
}

function chainOf(name: string, mapping: ServiceMapping): NftChain {
  const comment = `${mapping.door === "host" ? "host port of" : "Service"} ${mapping.service}`;
  if (mapping.backends.length === 0) {
    return {
      name,
      // Clients are told at once, as by kube-proxy.
      rules: [{ statements: [{ kind: "counter" }, { kind: "reject", saying: "port-unreachable" }], comment }],
    };
  }
  const backends = mapping.backends.map(({ address, port }) => ({ address: formatIp(address), port }));
  return {
    name,
    rules: [
      {
        statements: [
          // Hashing an address asks which family the packet is of, as nft does by itself.
          ...(mapping.affinity
            ? [
                {
                  kind: "compare" as const,
                  field: "family" as const,
                  equal: true,
                  value: mapping.family === 4 ? 2 : 10,
                },
              ]
            : []),
          { kind: "compare", field: "protocol", equal: true, value: mapping.protocol },
          { kind: "counter" },
          ...(mapping.masquerade
            ? [{ kind: "mark-set" as const, mask: MASQUERADE_MARK, value: MASQUERADE_MARK }]
            : []),
          { kind: "dnat", family: mapping.family, ...choice(mapping, backends) },
        ],
        comment,
      },
    ],
  };
}

type Choice = Pick<Extract<NftStatement, { kind: "dnat" }>, "backends" | "by">;

function choice({ affinity }: ServiceMapping, backends: Choice["backends"]): Choice {
  if (!affinity || backends.length < 2) return { backends };
  const names = backends.map(({ address, port }) => `${address} ${port}`);
  const slots = Array.from({ length: SLOTS }, (_, slot) => {
    let best = 0;
    let highest = "";
    for (const [place, name] of names.entries()) {
      const weight = shortHash(`${slot} ${name}`);
      if (weight <= highest) continue;
      highest = weight;
      best = place;
    }
    return backends[best] as Choice["backends"][number];
  });
  return { by: "source", backends: slots };
}
