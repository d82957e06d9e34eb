import { describe, expect, test } from "vitest";
import { ImageCatalogue, loadCatalogue } from "./catalogue.ts";
import { planContainer } from "./plan.ts";
import { parseReference } from "./reference.ts";

const DIGEST = `sha256:${"0123456789abcdef".repeat(4)}`;

test.each([
  ["nginx", "docker.io/library/nginx:latest"],
  ["nginx:1.27", "docker.io/library/nginx:1.27"],
  ["library/nginx", "docker.io/library/nginx:latest"],
  ["vfarcic/go-demo-2", "docker.io/vfarcic/go-demo-2:latest"],
  ["registry.k8s.io/e2e-test-images/agnhost:2.53", "registry.k8s.io/e2e-test-images/agnhost:2.53"],
  ["localhost/x", "localhost/x:latest"],
  ["localhost:5000/x:1", "localhost:5000/x:1"],
  ["index.docker.io/busybox", "docker.io/library/busybox:latest"],
  [`nginx@${DIGEST}`, `docker.io/library/nginx@${DIGEST}`],
  [`nginx:1.27@${DIGEST}`, `docker.io/library/nginx:1.27@${DIGEST}`],
])("%s is completed to %s", (text, expected) => {
  expect(parseReference(text)?.text).toBe(expected);
});

test.each(["", "Nginx", "nginx:", "nginx:a b", "a//b", "nginx@sha256:12", "-x", "x y", "http://nginx"])(
  "%j is no reference",
  (text) => {
    expect(parseReference(text)).toBeUndefined();
  },
);

const catalogue = new ImageCatalogue();

test.each([
  ["nginx:1.27-alpine", "server", [80]],
  ["docker.io/library/nginx", "server", [80]],
  ["bitnami/nginx", "server", [80]],
  ["nginxinc/nginx-unprivileged", "server", [8080]],
  ["mysql:5.6", "server", [3306]],
  ["php:7-apache", "server", [80]],
  ["vfarcic/go-demo-2", "server", [8080]],
  ["registry.k8s.io/pause:3.10", "pause", []],
  ["busybox:1.28", "process", []],
  ["gcr.io/google-containers/busybox", "process", []],
  ["alpine", "process", []],
  ["somebody/thing", "unknown", []],
])("%s is a %s on ports %j", (text, kind, ports) => {
  const image = catalogue.find(text)?.image;
  expect([image?.kind, image?.serves.map((one) => one.port)]).toEqual([kind, ports]);
});

test("equal images have equal ids, however they are written", () => {
  expect(catalogue.find("nginx")?.id).toBe(catalogue.find("docker.io/library/nginx:latest")?.id);
  expect(catalogue.find("nginx")?.id).not.toBe(catalogue.find("nginx:1")?.id);
});

describe("a user's catalogue", () => {
  test("wins over ours", () => {
    const { catalogue: own, issues } = loadCatalogue(`
images:
- image: example/shop-*
  serves: [{port: 8080, body: "hi"}, {port: 53, protocol: UDP, answers: echo}]
- {image: "nginx:9", exists: false}
- {image: example/tool, shell: true}
`);
    expect(issues).toEqual([]);
    expect(own.find("example/shop-front:2")?.image.serves).toEqual([
      { port: 8080, protocol: "TCP", answers: "http", body: "hi" },
      { port: 53, protocol: "UDP", answers: "echo" },
    ]);
    expect([own.find("nginx:9")?.image.exists, own.find("nginx")?.image.exists]).toEqual([false, true]);
    expect(own.find("example/tool")?.image).toMatchObject({ kind: "process", command: ["sh"] });
  });

  test("says what is wrong and where", () => {
    const { issues } = loadCatalogue(`
images:
- {image: a, serves: [{port: 99999}]}
- {image: b, serves: [{port: 1, answers: smtp}]}
- {image: c, shel: true}
- {serves: []}
- {image: d, command: sh}
`);
    expect(issues.map((issue) => issue.path)).toEqual([
      "images[0].serves[0].port",
      "images[1].serves[0].answers",
      "images[2].shel",
      "images[3].image",
      "images[4].command",
    ]);
    expect(loadCatalogue("images: {").issues).toHaveLength(1);
    expect(loadCatalogue("- 1").issues.map((issue) => issue.path)).toEqual(["images"]);
  });
});

function plan(
  image: string,
  more: { command?: string[]; args?: string[]; env?: [string, string][]; port?: number } = {},
): unknown {
  const { port, env = [], ...rest } = more;
  const ports = port === undefined ? [] : [{ port, protocol: "TCP" as const }];
  const found = catalogue.find(image);
  if (!found) throw new Error("no such image");
  const planned = planContainer(found.image, { env, ports, ...rest });
  return planned.kind === "process"
    ? planned.argv.join(" ")
    : planned.serves.map((one) => `${one.protocol} ${one.port} ${one.answers}`);
}

test.each([
  ["a shell without a command", plan("busybox"), "sh"],
  ["arguments alone replace it", plan("busybox", { args: ["sleep", "5"] }), "sleep 5"],
  ["an entry point takes them", plan("curlimages/curl", { args: ["-v", "web"] }), "curl -v web"],
  ["a server", plan("nginx"), ["TCP 80 http"]],
  ["a server and the pod's own port", plan("nginx", { port: 8888 }), ["TCP 80 http", "TCP 8888 http"]],
  ["a server's own program", plan("nginx", { command: ["nginx", "-g", "daemon off;"] }), ["TCP 80 http"]],
  ["options of a server", plan("mysql", { args: ["--max-connections=5"] }), ["TCP 3306 mysql"]],
  ["a moved port", plan("redis", { args: ["redis-server", "--port", "6380"] }), ["TCP 6380 redis"]],
  ["another command in a server's image", plan("nginx", { command: ["sleep", "9"] }), "sleep 9"],
  ["an unknown image", plan("a/b", { port: 99 }), ["TCP 99 any"]],
  ["an image that hints at PHP", plan("me/php-app"), ["TCP 80 http"]],
  ["and declares its port", plan("me/php-app", { port: 8080 }), ["TCP 8080 http"]],
  ["pause", plan("registry.k8s.io/pause:3.9"), []],
  ["agnhost without arguments", plan("x/agnhost"), []],
  ["agnhost connect", plan("x/agnhost", { args: ["connect", "a:1"] }), "/agnhost connect a:1"],
  [
    "agnhost netexec",
    plan("x/agnhost", { args: ["netexec", "--http-port=80", "--udp-port", "-1"] }),
    ["TCP 80 http"],
  ],
  ["agnhost serve-hostname", plan("x/agnhost", { args: ["serve-hostname"] }), ["TCP 9376 http"]],
  [
    "agnhost porter",
    plan("x/agnhost", {
      args: ["porter"],
      env: [
        ["SERVE_PORT_80", "a"],
        ["SERVE_UDP_PORT_81", "b"],
        ["SERVE_SCTP_PORT_82", "c"],
        ["OTHER", "d"],
      ],
    }),
    ["TCP 80 http", "UDP 81 echo", "SCTP 82 echo"],
  ],
  ["http-echo", plan("hashicorp/http-echo", { args: ["-text=hi", "-listen=:80"] }), ["TCP 80 http"]],
])("%s", (_why, planned, expected) => {
  expect(planned).toEqual(expected);
});
