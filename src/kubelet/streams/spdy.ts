/** @module SPDY over an upgraded HTTP connection: which protocol is spoken in it. */
import type { SpdyStream } from "./spdy-session.ts";
import type { Upgrade } from "./web-socket.ts";

const HEADER = "x-stream-protocol-version";

/** Newest first; a client that says nothing speaks the first one there was. */
const COMMAND_PROTOCOLS = [
  "v5.channel.k8s.io",
  "v4.channel.k8s.io",
  "v3.channel.k8s.io",
  "v2.channel.k8s.io",
  "channel.k8s.io",
];
export const FORWARD_PROTOCOL = "portforward.k8s.io";

export function isSpdy({ request }: Upgrade): boolean {
  return request.headers.upgrade?.toLowerCase() === "spdy/3.1";
}

/** Answers the upgrade. @returns undefined when no protocol is known to both: it was refused */
export function acceptSpdy({ request, socket }: Upgrade, verb: "command" | "forward"): string | undefined {
  const known = verb === "forward" ? [FORWARD_PROTOCOL] : COMMAND_PROTOCOLS;
  const offered = offers(request.headers[HEADER]);
  const chosen = offered.length === 0 ? known.at(-1) : known.find((one) => offered.includes(one));
  if (chosen === undefined) {
    const body = `unable to upgrade: unable to negotiate protocol: client supports ${JSON.stringify(offered)}, server accepts ${JSON.stringify(known)}`;
    const versions = known.map((one) => `X-Accepted-Stream-Protocol-Versions: ${one}\r\n`).join("");
    socket.end(
      `HTTP/1.1 403 Forbidden\r\n${versions}content-type: text/plain\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
    );
    return undefined;
  }
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: ${chosen}\r\n\r\n`,
  );
  return chosen;
}

/** Node joins a header that comes several times with commas. */
function offers(header: string | string[] | undefined): string[] {
  return [header ?? []].flat().flatMap((value) => value.split(",").map((one) => one.trim()));
}

/** Calls when the client takes and sends nothing more on a stream. */
export function onGone(stream: SpdyStream, listener: () => void): void {
  if (stream.isGone) listener();
  else stream.once("gone", listener);
}
