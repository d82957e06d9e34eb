import { expect, test } from "vitest";
import { bytesOf } from "../../client/web-socket-messages.ts";
import type { TerminalSize } from "../runtime/container.ts";
import { parseCommand, parsePorts, parseStreamRequest } from "./request.ts";
import { ResizeReader } from "./resize.ts";
import { exitStatus, internalError, Refusal } from "./status.ts";
import { channelMessage } from "./web-socket-channels.ts";

test("a message begins with its channel", () => {
  expect(channelMessage(1, Buffer.from("out"))).toEqual(Buffer.from("\u0001out"));
  expect(channelMessage(255, Buffer.from([0]))).toEqual(Buffer.from([255, 0]));
  expect(bytesOf([Buffer.from("a"), Buffer.from("b")])).toEqual(Buffer.from("ab"));
});

test("sizes come in any pieces, and nonsense between them is nothing", () => {
  const sizes: TerminalSize[] = [];
  const reader = new ResizeReader();
  reader.receive(Buffer.from('{"Width":80,"Height":24}\n{"Wid'));
  reader.listen((size) => sizes.push(size));
  reader.receive(Buffer.from('th":100,"Height":50}{"Width":-1,"Height":1} {} {"Width":1,"Height":2}'));
  expect(sizes).toEqual([
    { columns: 80, rows: 24 },
    { columns: 100, rows: 50 },
    { columns: 1, rows: 2 },
  ]);
});

test("an exit code is told as kubectl expects it", () => {
  expect(exitStatus(0)).toMatchObject({ status: "Success" });
  expect(exitStatus(3)).toMatchObject({
    status: "Failure",
    reason: "NonZeroExitCode",
    details: { causes: [{ reason: "ExitCode", message: "3" }] },
  });
  expect(internalError("broken")).toMatchObject({ code: 500, message: "Internal error occurred: broken" });
});

test("requests name what is wanted of whom", () => {
  const request = parseStreamRequest(
    "/exec/default/web-1?container=c&command=a&command=b%20c&stdout=true&tty=1",
  );
  expect(request).toMatchObject({ verb: "exec", namespace: "default", pod: "web-1" });
  expect(parseCommand(request)).toEqual({
    container: "c",
    command: ["a", "b c"],
    stdin: false,
    stdout: true,
    stderr: false,
    tty: true,
  });
});

test.each([
  ["/exec/default/web?stdout=true", 400],
  ["/exec/default/web?command=a", 400],
  ["/exec/default", 404],
  ["/else/default/web", 404],
  ["/exec/%zz/web", 404],
])("%s is refused with %i", (url, code) => {
  let refusal: unknown;
  try {
    parseCommand(parseStreamRequest(url));
  } catch (error) {
    refusal = error;
  }
  expect(refusal).toBeInstanceOf(Refusal);
  expect((refusal as Refusal).code).toBe(code);
});

test("ports come one by one or in a list", () => {
  expect(parsePorts(new URLSearchParams("ports=80&ports=81,82"))).toEqual([80, 81, 82]);
  for (const wrong of ["", "ports=0", "ports=65536", "ports=http"])
    expect(() => parsePorts(new URLSearchParams(wrong))).toThrow(Refusal);
});
