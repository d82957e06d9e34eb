/** @module The fields of projectcalico.org/v3, by kind. */
import type { JsonObject } from "../../patch/json-value.ts";
import { rules } from "./calico-rule.ts";
import {
  flag,
  intOrString,
  kind,
  list,
  numeric,
  object,
  objects,
  type Properties,
  text,
  textMap,
  texts,
  whole,
  word,
} from "./fields.ts";
import { KUBERNETES_POLICY } from "./kubernetes-policy.ts";

const POLICY: Properties = {
  egress: rules("egress"),
  ingress: rules("ingress"),
  order: numeric("Its place in the tier: the lowest is asked first, one without an order last."),
  performanceHints: texts("How the policy is best programmed. They change no verdict."),
  selector: text("A selector over labels: whom the policy is for. Everyone in its scope where left out."),
  serviceAccountSelector: text(
    "A selector over the labels of service accounts: whose pods the policy is for.",
  ),
  tier: text("The tier that the policy is in; default where left out."),
  types: list("The directions that the policy governs; those with rules, or Ingress, where left out.", {
    type: "string",
    enum: ["Ingress", "Egress"],
  }),
};

const GLOBAL_POLICY: Properties = {
  ...POLICY,
  applyOnForward: flag("Whether a host endpoint asks it about what it forwards, too."),
  doNotTrack: flag("Whether it is asked before connections are tracked. It needs applyOnForward."),
  namespaceSelector: text("A selector over the labels of namespaces: whose pods the policy is for."),
  preDNAT: flag("Whether it is asked before addresses of Services are translated. It needs applyOnForward."),
};

const STAGED: Properties = {
  stagedAction: word("What would be done; Set where left out.", ["Set", "Delete", "Learn", "Ignore"]),
};

const PORTS = objects(
  "Names for ports, for rules to say.",
  {
    hostIP: text("The address of the node that the port is mapped from."),
    hostPort: whole("The port of the node that is mapped."),
    name: text("The name."),
    port: whole("The number."),
    protocol: intOrString("TCP, UDP or SCTP, or the protocol's number."),
  },
  ["name", "port", "protocol"],
);

const NETS: Properties = { nets: texts("Addresses and networks, in CIDR notation.") };

const POOL: Properties = {
  allowedUses: texts("What addresses are taken for: Workload, Tunnel, LoadBalancer."),
  assignmentMode: text("Automatic, or Manual: only who asks for the pool gets an address of it."),
  blockSize: whole("How long the prefix of a node's block is."),
  cidr: text("The pool's network, in CIDR notation."),
  disableBGPExport: flag("Whether its routes are kept from BGP."),
  disabled: flag("Whether no more addresses are taken from it."),
  ipip: {
    type: "object",
    description: "How older configurations say ipipMode.",
    "x-kubernetes-preserve-unknown-fields": true,
  },
  ipipMode: text("When packets between nodes are wrapped in IP: Never, Always, CrossSubnet."),
  namespaceSelector: text("A selector over namespaces: whose pods get addresses of it."),
  "nat-outgoing": flag("How older configurations say natOutgoing."),
  natOutgoing: flag("Whether what leaves the pools gets the address of its node."),
  nodeSelector: text("A selector over nodes: which take addresses of it."),
  vxlanMode: text("When packets between nodes are wrapped in VXLAN: Never, Always, CrossSubnet."),
};

export type CalicoKind =
  | "GlobalNetworkPolicy"
  | "GlobalNetworkSet"
  | "HostEndpoint"
  | "IPPool"
  | "NetworkPolicy"
  | "NetworkSet"
  | "Profile"
  | "StagedGlobalNetworkPolicy"
  | "StagedKubernetesNetworkPolicy"
  | "StagedNetworkPolicy"
  | "Tier";

export const CALICO_SCHEMAS: Readonly<Record<CalicoKind, JsonObject>> = {
  GlobalNetworkPolicy: kind(
    "Rules for pods of all namespaces and for host endpoints.",
    object("What the policy says.", GLOBAL_POLICY),
  ),
  GlobalNetworkSet: kind(
    "Networks under labels, for the rules of all policies to select.",
    object("What is in the set.", NETS),
  ),
  HostEndpoint: kind(
    "An interface of a node, for global policies to select.",
    object(
      "Which interface it is.",
      {
        expectedIPs: texts("The interface's addresses; by them it is found where it is not named."),
        interfaceName: text("The interface's name, or * for all of the node."),
        node: text("The node that it is of."),
        ports: PORTS,
        profiles: texts("Profiles, which are asked when no policy has decided, in order."),
      },
      ["node"],
    ),
    ["spec"],
  ),
  IPPool: kind("A network that pods get their addresses of.", object("What the pool is.", POOL, ["cidr"]), [
    "spec",
  ]),
  NetworkPolicy: kind("Rules for the pods of a namespace.", object("What the policy says.", POLICY)),
  NetworkSet: kind(
    "Networks under labels, for the rules of its namespace to select.",
    object("What is in the set.", NETS),
  ),
  Profile: kind(
    "Labels and rules that endpoints share, asked when no policy has decided.",
    object("What the profile says.", {
      egress: rules("egress"),
      ingress: rules("ingress"),
      labelsToApply: textMap("Labels that whoever has the profile has, too."),
    }),
  ),
  StagedGlobalNetworkPolicy: kind(
    "A global policy that is not in force yet.",
    object("What the policy would say.", { ...GLOBAL_POLICY, ...STAGED }),
  ),
  StagedKubernetesNetworkPolicy: kind(
    "A policy of networking.k8s.io that is not in force yet.",
    object("What the policy would say.", { ...KUBERNETES_POLICY, ...STAGED }),
  ),
  StagedNetworkPolicy: kind(
    "A policy of a namespace that is not in force yet.",
    object("What the policy would say.", { ...POLICY, ...STAGED }),
  ),
  Tier: kind(
    "A group of policies, which is asked as a whole before the next.",
    object("Where the tier stands.", {
      defaultAction: word("What is done where a policy of the tier applies and none of its rules matches.", [
        "Deny",
        "Pass",
      ]),
      order: numeric("Its place: the lowest is asked first, one without an order last."),
    }),
  ),
};
