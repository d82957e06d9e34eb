/** @module The fields of policy.networking.k8s.io: ClusterNetworkPolicy (v1alpha2), and its forerunners (v1alpha1). */
import type { JsonObject } from "../../patch/json-value.ts";
import { kind, labelSelector, object, objects, type Properties, text, texts, whole, word } from "./fields.ts";

const PODS = object(
  "Pods of some namespaces.",
  {
    namespaceSelector: labelSelector("The namespaces; all where left out."),
    podSelector: labelSelector("The pods in them; {} for all."),
  },
  ["podSelector"],
);

const SUBJECT = object("Whom the policy is for: one of its fields.", {
  namespaces: labelSelector("All pods of some namespaces."),
  pods: PODS,
});

/** In both directions: of what stands in the wrong one, the decoder says more than that nobody knows it. */
const PEER: Properties = {
  domainNames: texts("Names of hosts. Only in egress rules that accept, and not evaluated."),
  namespaces: labelSelector("All pods of some namespaces."),
  networks: texts("Networks, in CIDR notation. Only in egress rules."),
  nodes: labelSelector("Nodes, by their labels. Only in egress rules."),
  pods: PODS,
};
/** A selector in the wrong direction is not looked into: it is refused as such. */
const NOT_FROM_NODES = {
  type: "object",
  description: "Only in egress rules.",
  "x-kubernetes-preserve-unknown-fields": true,
};
const FROM = objects("Who connects, for this rule to match: each has one of the fields.", {
  ...PEER,
  nodes: NOT_FROM_NODES,
});
const TO = objects("Who is connected to, for this rule to match: each has one of the fields.", PEER);

const DESTINATION = object(
  "Limits the rule to this protocol.",
  {
    destinationPort: object("The port: one of its fields.", {
      number: whole("A number."),
      range: object("Several in a row.", { end: whole("The last."), start: whole("The first.") }, [
        "start",
        "end",
      ]),
    }),
  },
  ["destinationPort"],
);

const PROTOCOLS = objects("Protocols and ports, one of which it must be. Everything where left out.", {
  destinationNamedPort: text("A port, by the name that pods give it."),
  sctp: DESTINATION,
  tcp: DESTINATION,
  udp: DESTINATION,
});

const PROTOCOL = word("The protocol; TCP where left out.", ["TCP", "UDP", "SCTP"]);

const PORTS = objects("Protocols and ports, one of which it must be. Everything where left out.", {
  namedPort: text("A port, by the name that pods give it."),
  portNumber: object("One port.", { port: whole("The number."), protocol: PROTOCOL }, ["port"]),
  portRange: object(
    "Several ports in a row.",
    { end: whole("The last."), protocol: PROTOCOL, start: whole("The first.") },
    ["start", "end"],
  ),
});

interface Words {
  readonly actions: readonly string[];
  readonly ports: Properties;
  /** Besides the subject and the rules. */
  readonly place: Properties;
}

function policy(description: string, { actions, ports, place }: Words): JsonObject {
  const rule = {
    action: word("What is done with a connection that matches.", actions),
    name: text("A name for people, of 100 characters at most."),
    ...ports,
  };
  const spec = {
    egress: objects(
      "Rules for connections from the subject, in order: the first that matches decides.",
      { ...rule, to: TO },
      ["action", "to"],
    ),
    ingress: objects(
      "Rules for connections to the subject, in order: the first that matches decides.",
      { ...rule, from: FROM },
      ["action", "from"],
    ),
    ...place,
    subject: SUBJECT,
  };
  return kind(description, object("What the policy says.", spec, [...Object.keys(place), "subject"]), [
    "spec",
  ]);
}

const PRIORITY = { priority: whole("Its place, from 0, which is asked first, to 1000.") };

export type ClusterPolicyKind = "AdminNetworkPolicy" | "BaselineAdminNetworkPolicy" | "ClusterNetworkPolicy";

export const CLUSTER_POLICY_SCHEMAS: Readonly<Record<ClusterPolicyKind, JsonObject>> = {
  AdminNetworkPolicy: policy("Rules of the cluster's administrators, asked before those of namespaces.", {
    actions: ["Allow", "Deny", "Pass"],
    ports: { ports: PORTS },
    place: PRIORITY,
  }),
  BaselineAdminNetworkPolicy: policy(
    "Rules for what no policy of a namespace governs. It is called default.",
    {
      actions: ["Allow", "Deny"],
      ports: { ports: PORTS },
      place: {},
    },
  ),
  ClusterNetworkPolicy: policy("Rules of the cluster's administrators, for all namespaces.", {
    actions: ["Accept", "Deny", "Pass"],
    ports: { protocols: PROTOCOLS },
    place: {
      ...PRIORITY,
      tier: word("Whether it is asked before the policies of namespaces or after them.", [
        "Admin",
        "Baseline",
      ]),
    },
  }),
};
