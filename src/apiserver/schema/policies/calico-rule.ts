/** @module The fields of a rule in Calico's policies and profiles. */
import type { JsonObject } from "../../patch/json-value.ts";
import {
  intOrString,
  list,
  object,
  objects,
  type Properties,
  text,
  textMap,
  texts,
  whole,
  word,
} from "./fields.ts";

const PORT = intOrString("A number, a range such as 6000:6100, or the name of a port.");

const SERVICE_ACCOUNTS = object("Limits this side to pods of service accounts.", {
  names: texts("Names of accounts; in a policy of a namespace, accounts of that namespace."),
  selector: text("A selector over the labels of accounts."),
});

const SERVICES = object("Limits this side to the endpoints of a Service.", {
  name: text("The Service's name."),
  namespace: text("Its namespace; that of the policy where left out."),
});

function entity(description: string): JsonObject {
  return object(description, {
    domains: texts("Names of hosts. They are not evaluated, so that a rule with them is refused."),
    namespaceSelector: text("A selector over the labels of namespaces; global() for what is in none."),
    nets: texts("Networks, in CIDR notation; an address must be in one of them."),
    notNets: texts("Networks that the address must not be in."),
    notPorts: list("Ports that are not meant.", PORT),
    notSelector: text("A selector that must not match the labels."),
    ports: list("Ports, one of which it must be. They need a protocol that has ports.", PORT),
    selector: text("A selector over the labels of pods, host endpoints and network sets."),
    serviceAccounts: SERVICE_ACCOUNTS,
    services: SERVICES,
  });
}

function icmp(description: string): JsonObject {
  return object(description, {
    code: whole("The code, which needs a type."),
    type: whole("The type: 8 is an echo request."),
  });
}

const HTTP = object("Limits a rule to HTTP requests. The kernel cannot see them: a proxy must.", {
  methods: texts("Methods, one of which it must be: GET, PUT."),
  paths: objects("Paths, one of which must match.", {
    exact: text("The whole path."),
    prefix: text("What the path begins with."),
  }),
});

const RULE: Properties = {
  action: word("What is done with a connection that matches.", ["Allow", "Deny", "Log", "Pass"]),
  destination: entity("Where the connection goes."),
  http: HTTP,
  icmp: icmp("Limits a rule to messages of ICMP. It needs the protocol ICMP or ICMPv6."),
  ipVersion: whole("4 or 6: limits the rule to one family."),
  metadata: object("Notes on the rule.", {
    annotations: textMap("Keys and values that mean nothing to the verdict."),
  }),
  notICMP: icmp("Messages of ICMP that are not meant."),
  notProtocol: intOrString("A protocol that is not meant."),
  protocol: intOrString("TCP, UDP, ICMP, ICMPv6, SCTP, UDPLite, or a number from 1 to 255."),
  source: entity("Where the connection comes from."),
};

export function rules(direction: "ingress" | "egress"): JsonObject {
  const to = direction === "ingress" ? "to" : "from";
  return objects(
    `Rules for connections ${to} what is selected, in order: the first that matches decides.`,
    RULE,
    ["action"],
  );
}
