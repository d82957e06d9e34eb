/** @module Which pod, and which of its ports, a `proxy` path means: by the pod's own name, or by a Service's. */
import type { Api } from "./api.ts";
import { arrayAt, at, stringAt } from "./json.ts";
import { objectOf } from "./objects.ts";
import { parseLabelSelector } from "./selectors.ts";
import type { Draft } from "./served.ts";
import { errors, type StatusError } from "./status-error.ts";

export interface ProxyTarget {
  readonly isTls: boolean;
  readonly pod: Readonly<Draft>;
  readonly port: number;
}

interface Reference {
  readonly isTls: boolean;
  readonly name: string;
  /** "" for none. */
  readonly port: string;
}

const HTTP_PORT = 80;
const MAX_PORT = 65_535;

/** `NAME`, `NAME:PORT`, `SCHEME:NAME:PORT`. */
function parseReference(text: string): Reference | undefined {
  const parts = text.split(":");
  const [scheme = "", name = "", port = ""] = parts.length === 3 ? parts : ["", ...parts];
  if (parts.length > 3 || name === "" || !["", "http", "https"].includes(scheme)) return undefined;
  return { isTls: scheme === "https", name, port };
}

export async function targetOf(
  api: Api,
  kind: "pods" | "services",
  namespace: string,
  text: string,
): Promise<ProxyTarget> {
  const wrong = errors.badRequest(
    `invalid ${kind === "pods" ? "pod" : "service"} request ${JSON.stringify(text)}`,
  );
  const reference = parseReference(text);
  if (!reference) throw wrong;
  return kind === "pods"
    ? podTarget(api, namespace, reference, wrong)
    : serviceTarget(api, namespace, reference);
}

function storage(api: Api, group: string, plural: string): NonNullable<ReturnType<Api["storage"]>> {
  const found = api.storage(group, "v1", plural);
  if (!found) throw errors.noSuchPath();
  return found;
}

/** Without a port, the first that the pod's containers name. */
async function podTarget(
  api: Api,
  namespace: string,
  { isTls, name, port }: Reference,
  wrong: StatusError,
): Promise<ProxyTarget> {
  if (port !== "" && !/^\d+$/.test(port)) throw wrong;
  const pod = await storage(api, "", "pods").get(namespace, name);
  const [first] = arrayAt(pod, "spec", "containers").flatMap((one) => arrayAt(one, "ports"));
  const number = Number(port === "" ? (at(first, "containerPort") ?? HTTP_PORT) : port);
  if (number < 1 || number > MAX_PORT) throw wrong;
  return { isTls, pod, port: number };
}

/** One of the Service's ready endpoints, by chance. */
async function serviceTarget(
  api: Api,
  namespace: string,
  { isTls, name, port }: Reference,
): Promise<ProxyTarget> {
  const service = await storage(api, "", "services").get(namespace, name);
  let portName = port;
  if (/^\d+$/.test(port)) {
    const found = arrayAt(service, "spec", "ports").find((one) => at(one, "port") === Number(port));
    if (!found) throw errors.unavailable(`no service port ${port} found for service ${JSON.stringify(name)}`);
    portName = stringAt(found, "name") ?? "";
  }
  const { entries } = await storage(api, "discovery.k8s.io", "endpointslices").list({
    namespace,
    test: parseLabelSelector(`kubernetes.io/service-name=${name}`),
    limit: undefined,
    continue: undefined,
    revision: undefined,
  });
  const candidates = entries.flatMap((entry) => {
    const slice = objectOf(entry);
    const wanted = arrayAt(slice, "ports").find((one) => (stringAt(one, "name") ?? "") === portName);
    const number = at(wanted, "port");
    if (typeof number !== "number") return [];
    return arrayAt(slice, "endpoints")
      .filter((one) => at(one, "conditions", "ready") !== false)
      .map((endpoint) => ({ endpoint, port: number }));
  });
  const chosen = candidates[Math.floor(Math.random() * candidates.length)];
  if (!chosen) throw errors.unavailable(`no endpoints available for service ${JSON.stringify(name)}`);
  const { endpoint } = chosen;
  const pod = stringAt(endpoint, "targetRef", "kind") === "Pod" && stringAt(endpoint, "targetRef", "name");
  if (!pod)
    throw errors.unavailable(
      `${String(arrayAt(endpoint, "addresses")[0])} is the address of no pod: the API server cannot reach it`,
    );
  return { isTls, pod: await storage(api, "", "pods").get(namespace, pod), port: chosen.port };
}
