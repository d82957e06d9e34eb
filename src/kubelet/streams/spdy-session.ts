/**
 * @module A SPDY/3.1 connection, as the side that is asked: the client opens streams, each is a Duplex here.
 *
 *   transport ─► frames ─► streams' readable sides: one that is full holds up the transport, for there are no windows
 *   streams' writable sides ─► frames ─► transport: who writes waits until it is not full
 */
import { Duplex } from "node:stream";
import {
  type ControlFrame,
  controlFrame,
  type DataPiece,
  dataFrame,
  FLAG_FIN,
  FRAME,
  FrameReader,
  numbers,
} from "./spdy-frames.ts";
import { HeaderReader, type Headers, HeaderWriter } from "./spdy-headers.ts";
import { PROBE_MS } from "./web-socket.ts";

/** A stream holds so much before the connection waits for its reader. */
const STREAM_BYTES = 256 * 1024;
const MAX_DATA_BYTES = 1024 * 1024;
/** Two for each connection that is forwarded. */
const MAX_STREAMS = 2000;
const REFUSED = 3;
const CANCEL = 5;

/** What a stream asks of its connection. */
interface Connection {
  /** Calls back when there is room again. */
  send(frame: Buffer, done: () => void): void;
  forget(stream: SpdyStream): void;
}

/**
 * Ends of both directions are FIN. When the other side resets it, or is gone, the stream reads as ended, takes no more
 * and says `gone`.
 */
export class SpdyStream extends Duplex {
  readonly id: number;
  readonly headers: Headers;
  readonly #connection: Connection;
  #wanted: (() => void) | undefined;
  #isGone = false;
  #receivedEnd = false;
  #sentEnd = false;

  constructor(id: number, headers: Headers, connection: Connection) {
    super({ allowHalfOpen: true, readableHighWaterMark: STREAM_BYTES, writableHighWaterMark: 64 * 1024 });
    this.id = id;
    this.headers = headers;
    this.#connection = connection;
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  /** @returns a promise when it is full, until it is not */
  receive(bytes: Buffer, isLast: boolean): Promise<void> | undefined {
    if (this.#receivedEnd || this.destroyed) return undefined;
    const hasRoom = bytes.length === 0 || this.push(bytes);
    if (isLast) this.#endOfInput();
    if (hasRoom) return undefined;
    return new Promise((resolve) => {
      this.#wanted = resolve;
    });
  }

  #endOfInput(): void {
    if (this.#receivedEnd) return;
    this.#receivedEnd = true;
    this.push(null);
    if (this.#sentEnd) this.#connection.forget(this);
  }

  /** The other side takes nothing more of this stream, and sends nothing. */
  abandon(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#endOfInput();
    this.#connection.forget(this);
    this.#wanted?.();
    this.emit("gone");
  }

  override _read(): void {
    const wanted = this.#wanted;
    this.#wanted = undefined;
    wanted?.();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    if (this.#isGone) {
      done();
      return;
    }
    let start = 0;
    for (; chunk.length - start > MAX_DATA_BYTES; start += MAX_DATA_BYTES)
      this.#connection.send(dataFrame(this.id, chunk.subarray(start, start + MAX_DATA_BYTES)), () => {
        // The last one's matters.
      });
    this.#connection.send(dataFrame(this.id, chunk.subarray(start)), done);
  }

  override _final(done: () => void): void {
    this.#sentEnd = true;
    if (this.#receivedEnd) this.#connection.forget(this);
    if (this.#isGone) done();
    else this.#connection.send(dataFrame(this.id, Buffer.alloc(0), FLAG_FIN), done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (!this.#isGone && !(this.#sentEnd && this.#receivedEnd))
      this.#connection.send(controlFrame(FRAME.rstStream, numbers(this.id, CANCEL)), () => {
        // Nobody waits for it.
      });
    this.#isGone = true;
    this.#connection.forget(this);
    this.#wanted?.();
    done(error);
  }
}

export interface SpdyOptions {
  readonly onStream: (stream: SpdyStream) => void;
  /** The client is gone; every stream has said so before. */
  readonly onEnd: () => void;
  readonly log: (line: string) => void;
  /** How often a client is asked whether it is there while nothing is read from it. */
  readonly probeMs?: number;
}

/** Even numbers are the server's pings. */
const PROBE = 2;

export class SpdySession implements Connection {
  readonly #transport: Duplex;
  readonly #options: SpdyOptions;
  readonly #streams = new Map<number, SpdyStream>();
  readonly #headerReader = new HeaderReader();
  readonly #headerWriter = new HeaderWriter();
  readonly #frames = new FrameReader();
  readonly #probe: NodeJS.Timeout;
  #waiting: (() => void)[] = [];
  #isHeld = false;
  #ended = false;

  /** @param transport - an upgraded connection, or what is tunnelled through another */
  constructor(transport: Duplex, options: SpdyOptions) {
    this.#transport = transport;
    this.#options = options;
    transport.on("drain", () => this.#drained());
    transport.on("error", () => transport.destroy());
    transport.on("close", () => this.#end());
    // A transport that is not read does not say that its client has gone: writing to it does.
    this.#probe = setInterval(() => {
      if (this.#isHeld && !this.#transport.writableNeedDrain)
        this.#write(controlFrame(FRAME.ping, numbers(PROBE)));
    }, options.probeMs ?? PROBE_MS);
    void this.#read();
  }

  async #read(): Promise<void> {
    try {
      // Its end is told by the transport itself: the default would destroy it before the last frames are sent.
      for await (const chunk of this.#transport.iterator({ destroyOnReturn: false }))
        for (const frame of this.#frames.read(chunk as Buffer)) {
          const taken = this.#handle(frame);
          if (!taken) continue;
          this.#isHeld = true;
          await taken;
          this.#isHeld = false;
          if (this.#ended) return;
        }
    } catch (error) {
      // A connection that breaks is a client that left; what is told is a client that speaks wrongly.
      if (!this.#ended && error !== this.#transport.errored)
        this.#options.log(`spdy: ${error instanceof Error ? error.message : "the connection broke"}`);
    }
    this.#end();
  }

  #handle(frame: ControlFrame | DataPiece): Promise<void> | undefined {
    if (frame.kind === "data") return this.#streams.get(frame.stream)?.receive(frame.bytes, frame.isLast);
    const { type, payload } = frame;
    switch (type) {
      case FRAME.synStream:
        return this.#open(payload, (frame.flags & FLAG_FIN) !== 0);
      case FRAME.rstStream:
        this.#streams.get(payload.readUInt32BE(0))?.abandon();
        return undefined;
      case FRAME.ping:
        // Odd numbers are the client's questions; even ones would be answers to ours.
        if (payload.readUInt32BE(0) % 2 === 0) return undefined;
        return this.#answer(controlFrame(FRAME.ping, payload.subarray(0, 4)));
      case FRAME.synReply:
      case FRAME.headers:
        // Nothing in it matters, but all blocks are one zlib stream.
        return this.#skipHeaders(payload.subarray(4));
      default:
        return undefined;
    }
  }

  async #skipHeaders(block: Buffer): Promise<void> {
    await this.#headerReader.read(block);
  }

  async #open(payload: Buffer, isLast: boolean): Promise<void> {
    const id = payload.readUInt32BE(0) & 0x7fffffff;
    // After the number: the stream it belongs to, and its priority.
    const headers = await this.#headerReader.read(payload.subarray(10));
    if (this.#ended) return;
    if (this.#streams.has(id)) throw new Error(`stream ${id} was opened twice`);
    if (this.#streams.size >= MAX_STREAMS) {
      await this.#answer(controlFrame(FRAME.rstStream, numbers(id, REFUSED)));
      return;
    }
    const stream = new SpdyStream(id, headers, this);
    stream.on("error", () => stream.destroy());
    this.#streams.set(id, stream);
    const answered = this.#answer(
      controlFrame(
        FRAME.synReply,
        Buffer.concat([numbers(id), this.#headerWriter.write(new Map<string, string>())]),
      ),
    );
    this.#options.onStream(stream);
    if (isLast) void stream.receive(Buffer.alloc(0), true);
    await answered;
  }

  /** What a client can make us say as often as it likes waits for it to be read. */
  #answer(frame: Buffer): Promise<void> | undefined {
    if (this.#write(frame) || !this.#transport.writable) return undefined;
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  #write(frame: Buffer): boolean {
    return this.#transport.writable && this.#transport.write(frame);
  }

  send(frame: Buffer, done: () => void): void {
    if (this.#ended || this.#write(frame) || !this.#transport.writable) done();
    else this.#waiting.push(done);
  }

  #drained(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const done of waiting) done();
  }

  forget(stream: SpdyStream): void {
    if (this.#streams.get(stream.id) === stream) this.#streams.delete(stream.id);
  }

  /** Bytes that the transport has not taken yet. */
  get pending(): number {
    return this.#transport.writableLength;
  }

  close(): void {
    this.#transport.destroy();
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    clearInterval(this.#probe);
    for (const stream of [...this.#streams.values()]) stream.abandon();
    this.#drained();
    this.#headerReader.close();
    this.#transport.destroy();
    this.#options.onEnd();
  }
}
