// The layer table of ARCHITECTURE.md; everything not listed is an error.
const MAY_IMPORT = {
  base: [],
  resources: ["base"],
  policy: ["base", "resources"],
  calc: ["base", "resources", "policy"],
  network: ["base", "resources"],
  analysis: ["base", "resources", "policy", "calc", "network"],
  nft: ["base", "resources", "policy", "calc"],
  judges: ["base", "resources", "policy", "calc", "analysis", "nft", "network"],
  linux: ["base", "nft", "network"],
  lab: ["base", "resources", "policy", "calc", "analysis", "nft", "network", "judges", "linux"],
  store: ["base"],
  client: ["base", "resources"],
  apiserver: ["base", "resources", "store", "client"],
  controllers: ["base", "resources", "client", "network"],
  dns: ["base", "resources", "client"],
  kubelet: ["base", "resources", "client", "network", "nft", "linux", "dns"],
  agent: ["base", "resources", "policy", "calc", "analysis", "nft", "network", "linux", "client"],
  cluster: ["base", "resources", "policy", "calc", "analysis", "nft", "network", "judges", "linux", "lab", "store", "client", "apiserver", "controllers", "dns", "kubelet", "agent"],
  cli: ["base", "resources", "policy", "calc", "analysis", "nft", "network", "judges", "linux", "lab", "store", "client", "apiserver", "controllers", "dns", "kubelet", "agent", "cluster"],
};
const PURE = ["base", "resources", "policy", "calc", "analysis", "nft", "network", "judges"];
const TEST = "\\.(test|prop)\\.ts$";

module.exports = {
  forbidden: [
    ...Object.entries(MAY_IMPORT).map(([room, allowed]) => ({
      name: `${room}-imports`,
      severity: "error",
      from: { path: `^src/${room}/`, pathNot: TEST },
      to: { path: "^src/", pathNot: `^src/(${[room, ...allowed].join("|")})/` },
    })),
    {
      name: "pure-rooms-do-no-io",
      severity: "error",
      from: { path: `^src/(${PURE.join("|")})/`, pathNot: TEST },
      to: { dependencyTypes: ["core"] },
    },
    { name: "no-cycles", severity: "error", from: {}, to: { circular: true } },
    { name: "tests-are-not-imported", severity: "error", from: { pathNot: TEST }, to: { path: TEST } },
    { name: "only-linux-knows-koffi", severity: "error", from: { pathNot: "^src/linux/" }, to: { path: "koffi" } },
  ],
  options: { doNotFollow: { path: "node_modules" }, tsConfig: { fileName: "tsconfig.base.json" }, tsPreCompilationDeps: true, enhancedResolveOptions: { extensions: [".ts", ".js"] } },
};
