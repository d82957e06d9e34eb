/** @module The fields of a policy of networking.k8s.io inside one of Calico's. */
import type { JsonObject } from "../../patch/json-value.ts";
import {
  intOrString,
  labelSelector,
  list,
  object,
  objects,
  type Properties,
  text,
  texts,
  whole,
  word,
} from "./fields.ts";

const PORTS = objects("Ports, one of which it must be. Every port where left out.", {
  endPort: whole("The last of a range that begins at port."),
  port: intOrString("A number, or the name of a port."),
  protocol: word("The protocol; TCP where left out.", ["TCP", "UDP", "SCTP"]),
});

const PEER: Properties = {
  ipBlock: object(
    "A network, without parts of it. It stands alone.",
    {
      cidr: text("The network, in CIDR notation."),
      except: texts("Networks inside it that are not meant."),
    },
    ["cidr"],
  ),
  namespaceSelector: labelSelector("Namespaces, by their labels."),
  podSelector: labelSelector("Pods, by their labels; of the policy's namespace where no other is selected."),
};

function peers(description: string): JsonObject {
  return objects(description, PEER);
}

export const KUBERNETES_POLICY: Properties = {
  egress: objects("What the pods may connect to.", {
    ports: PORTS,
    to: peers("Who may be connected to. Everyone where left out."),
  }),
  ingress: objects("What may connect to the pods.", {
    from: peers("Who may connect. Everyone where left out."),
    ports: PORTS,
  }),
  podSelector: labelSelector("The pods of the namespace that the policy is for."),
  policyTypes: list("The directions that the policy governs.", {
    type: "string",
    enum: ["Ingress", "Egress"],
  }),
};
