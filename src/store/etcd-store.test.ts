import { describe, expect, it } from "vitest";
import { parseEtcdAddress } from "./etcd-store.ts";

describe("an address of etcd", () => {
  it.each([
    ["etcd://a", [{ host: "a", port: 2379 }], "/tortie"],
    [
      "etcd://a:1,b:2/x/y/",
      [
        { host: "a", port: 1 },
        { host: "b", port: 2 },
      ],
      "/x/y",
    ],
    ["etcd://[::1]:2379/x", [{ host: "::1", port: 2379 }], "/x"],
    ["etcd+unix:///run/etcd.sock", [{ socketPath: "/run/etcd.sock" }], "/tortie"],
    ["etcd+unix:///run/localhost:2379/x", [{ socketPath: "/run/localhost:2379" }], "/x"],
    ["etcd+unix:///run/etcd.sock/x", [{ socketPath: "/run/etcd.sock" }], "/x"],
  ])("%s", (text, endpoints, prefix) => {
    expect(parseEtcdAddress(text)).toEqual({ endpoints, prefix });
  });

  it.each(["etcd://", "etcd:///x", "http://a:1", "etcd+unix://relative", "etcd://user@a"])(
    "%s is none",
    (text) => {
      expect(() => parseEtcdAddress(text)).toThrow("is no address of etcd");
    },
  );
});
