/** @module The images that tutorials use, and what each does here. The first that matches holds. */
import type { Answer, Image } from "./image.ts";
import { NO_IMAGE } from "./image.ts";

const NGINX_PAGE = `<!DOCTYPE html>
<html>
<head>
<title>Welcome to nginx!</title>
<style>
html { color-scheme: light dark; }
body { width: 35em; margin: 0 auto;
font-family: Tahoma, Verdana, Arial, sans-serif; }
</style>
</head>
<body>
<h1>Welcome to nginx!</h1>
<p>If you see this page, nginx answers here: in this cluster, a stand-in that
answers as nginx does.</p>

<p><em>Thank you for using nginx.</em></p>
</body>
</html>
`;
const HTTPD_PAGE = "<html><body><h1>It works!</h1></body></html>\n";
const PHP_PAGE = `<!DOCTYPE html>
<html>
<body>
<h1>{pod}</h1>
<p>Served by pod {namespace}/{pod} ({address}) from {image}.</p>
{database}</body>
</html>
`;

type Extra = Partial<Omit<Image, "kind" | "pattern">>;

function shells(patterns: readonly string[], extra: Extra = {}): Image[] {
  return patterns.map((pattern) => ({ ...NO_IMAGE, command: ["sh"], ...extra, pattern, kind: "process" }));
}

/** A server on one TCP port. */
function server(pattern: string, port: number, answers: Answer, extra: Extra = {}): Image {
  return {
    ...NO_IMAGE,
    serves: [{ port, protocol: "TCP", answers }],
    ...extra,
    pattern,
    kind: "server",
  };
}

function text(pattern: string, port: number, body: string): Image {
  return server(pattern, port, "http", { pages: { "*": body } });
}

function special(
  kind: "pause" | "agnhost" | "http-echo",
  patterns: readonly string[],
  extra: Extra = {},
): Image[] {
  return patterns.map((pattern) => ({ ...NO_IMAGE, ...extra, pattern, kind }));
}

const NGINX: Extra = {
  programs: ["nginx", "docker-entrypoint.sh"],
  server: "nginx",
  pages: { "/index.html": NGINX_PAGE },
  documentRoot: "/usr/share/nginx/html",
};
const PHP: Extra = {
  programs: ["apache2-foreground", "php-fpm", "docker-php-entrypoint"],
  server: "Apache/2.4.62 (Debian)",
  pages: { "/index.php": PHP_PAGE, "/index.html": PHP_PAGE },
  documentRoot: "/var/www/html",
};

export const DEFAULT_IMAGES: readonly Image[] = [
  ...special("pause", ["*/pause", "*/pause-amd64", "k8s.gcr.io/pause*", "kubernetes/pause"]),
  ...special("agnhost", ["*/agnhost", "*/e2e-test-images/agnhost"]),
  // The cluster's own DNS server, under the name that people look for.
  ...shells(["*/coredns", "coredns/coredns"], { command: ["coredns"], entrypoint: ["coredns"] }),
  ...special("http-echo", ["hashicorp/http-echo"]),
  ...shells(["busybox", "*/busybox", "radial/busyboxplus", "yauritux/busybox-curl"]),
  ...shells([
    "alpine",
    "*/alpine",
    "debian",
    "ubuntu",
    "centos",
    "rockylinux",
    "fedora",
    "*/ubi8*",
    "*/ubi9*",
  ]),
  ...shells([
    "nicolaka/netshoot",
    "*/jessie-dnsutils",
    "tutum/dnsutils",
    "infoblox/dnstools",
    "*/toolbox",
    "bash",
  ]),
  ...shells(["curlimages/curl", "appropriate/curl", "byrnedo/alpine-curl", "*/curl"], {
    command: ["curl"],
    entrypoint: ["curl"],
  }),
  ...shells(["subfuzion/netcat", "gophernet/netcat"], { command: ["nc"], entrypoint: ["nc"] }),
  server("*nginx*unprivileged*", 8080, "http", NGINX),
  server("nginxdemos/hello", 80, "http", {
    server: "nginx",
    pages: {
      "*": "Server address: {address}:{port}\nServer name: {pod}\nDate: {date}\nURI: {path}\nRequest ID: -\n",
    },
  }),
  server("*nginx", 80, "http", NGINX),
  server("*nginx-slim*", 80, "http", NGINX),
  server("httpd", 80, "http", {
    programs: ["httpd-foreground", "httpd"],
    server: "Apache/2.4.62 (Unix)",
    pages: { "/index.html": HTTPD_PAGE },
    documentRoot: "/usr/local/apache2/htdocs",
  }),
  server("caddy", 80, "http", {
    programs: ["caddy"],
    server: "Caddy",
    pages: { "*": "Caddy works! ({pod})\n" },
  }),
  server("php:*fpm*", 9000, "silent", { programs: ["php-fpm", "docker-php-entrypoint"] }),
  server("php*", 80, "http", PHP),
  server("*/php*", 80, "http", {
    ...PHP,
    serves: [],
    usually: [{ port: 80, protocol: "TCP", answers: "http" }],
  }),
  server("wordpress", 80, "http", { ...PHP, programs: ["apache2-foreground", "docker-entrypoint.sh"] }),
  server("tomcat", 8080, "http", { programs: ["catalina.sh"], pages: { "*": "Apache Tomcat ({pod})\n" } }),
  server("praqma/network-multitool", 80, "http", {
    server: "nginx",
    pages: { "*": "Praqma Network MultiTool (with NGINX) - {pod} - {address}\n" },
  }),
  server("wbitt/network-multitool", 80, "http", {
    server: "nginx",
    pages: { "*": "WBITT Network MultiTool (with NGINX) - {pod} - {address}\n" },
  }),
  {
    ...text("*/go-demo-2", 8080, "hello, world!\n"),
    programs: ["go-demo"],
    pages: { "/demo/hello": "hello, world!\n", "/demo/person": "[]\n" },
  },
  text("*/hello-app*", 8080, "Hello, world!\nVersion: 1.0.0\nHostname: {pod}\n"),
  text("*/node-hello*", 8080, "Hello Kubernetes!"),
  text("*/kubernetes-bootcamp", 8080, "Hello Kubernetes bootcamp! | Running on: {pod} | v=1\n"),
  text(
    "*/echoserver*",
    8080,
    "Hostname: {pod}\n\nRequest Information:\n\tclient_address={client}\n\tmethod={method}\n\treal path={path}\n",
  ),
  text(
    "traefik/whoami",
    80,
    "Hostname: {pod}\nIP: {address}\nRemoteAddr: {client}\n{method} {path} HTTP/1.1\n",
  ),
  text(
    "containous/whoami",
    80,
    "Hostname: {pod}\nIP: {address}\nRemoteAddr: {client}\n{method} {path} HTTP/1.1\n",
  ),
  text(
    "ealen/echo-server",
    80,
    '{"host":{"hostname":"{pod}","ip":"{client}"},"http":{"method":"{method}","originalUrl":"{path}"}}',
  ),
  text("kennethreitz/httpbin", 80, '{\n  "origin": "{client}",\n  "url": "{path}"\n}\n'),
  text("stefanprodan/podinfo", 9898, '{\n  "hostname": "{pod}",\n  "message": "greetings from podinfo"\n}\n'),
  text("paulbouwer/hello-kubernetes", 8080, "Hello world! pod: {pod}\n"),
  server("mysql*", 3306, "mysql", { programs: ["mysqld", "docker-entrypoint.sh"] }),
  server("mariadb", 3306, "mysql", { programs: ["mariadbd", "mysqld", "docker-entrypoint.sh"] }),
  server("percona*", 3306, "mysql", { programs: ["mysqld"] }),
  server("*postgres*", 5432, "postgres", { programs: ["postgres", "docker-entrypoint.sh"] }),
  server("*redis*", 6379, "redis", { programs: ["redis-server", "docker-entrypoint.sh"] }),
  server("valkey/valkey", 6379, "redis", { programs: ["valkey-server", "docker-entrypoint.sh"] }),
  server("*/guestbook*redis*", 6379, "redis", {}),
  server("mongo*", 27_017, "mongo", { programs: ["mongod", "docker-entrypoint.sh"] }),
  server("memcached", 11_211, "memcached", { programs: ["memcached", "docker-entrypoint.sh"] }),
];
