import { EventEmitter } from "node:events";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { WebSocket } from "ws";
import { Brake, PROBE_MS } from "./web-socket.ts";

class FakeWebSocket extends EventEmitter {
  readonly OPEN = 1;
  readyState = 1;
  bufferedAmount = 0;
  isPaused = false;
  pings = 0;

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  ping(): void {
    this.pings++;
  }
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("a connection that is held up is asked whether its client is there, and no other one", () => {
  const webSocket = new FakeWebSocket();
  const brake = new Brake(webSocket as unknown as WebSocket);
  const [one, other] = [{}, {}];
  vi.advanceTimersByTime(10 * PROBE_MS);
  expect([webSocket.pings, webSocket.isPaused]).toEqual([0, false]);
  brake.hold(one);
  brake.hold(other);
  brake.release(one);
  vi.advanceTimersByTime(3 * PROBE_MS);
  expect([webSocket.pings, webSocket.isPaused]).toEqual([3, true]);
  // What is not taken is not added to.
  webSocket.bufferedAmount = 2 ** 20;
  vi.advanceTimersByTime(3 * PROBE_MS);
  expect(webSocket.pings).toBe(3);
  webSocket.bufferedAmount = 0;
  brake.release(other);
  vi.advanceTimersByTime(3 * PROBE_MS);
  expect([webSocket.pings, webSocket.isPaused]).toEqual([3, false]);
  brake.hold(one);
  webSocket.emit("close");
  expect(vi.getTimerCount()).toBe(0);
});
