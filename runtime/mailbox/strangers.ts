/**
 * Connections that have not shown a good certificate: they are few and end soon, so that they do
 * not keep nodes out.
 *
 * @module
 */
import type { Socket } from "node:net";

/** Bounds of {@linkcode Strangers}. */
export interface StrangerLimits {
  /** Most connections at a time. */
  maxStrangers: number;
  /** Milliseconds until a connection is cut. */
  strangerTimeoutMs: number;
}

/** One connection. */
interface Stranger {
  socket: Socket;
  address: string;
  /** Cuts the connection. */
  timer: ReturnType<typeof setTimeout>;
}

/** See the module's text. */
export class Strangers {
  readonly #limits: StrangerLimits;
  readonly #onCut: (remote: string, why: string) => void;
  /** By address and port of the other side, oldest first. */
  readonly #all = new Map<string, Stranger>();

  /** `onCut` is called with each connection that was cut, and why. */
  constructor(limits: StrangerLimits, onCut: (remote: string, why: string) => void) {
    this.#limits = limits;
    this.#onCut = onCut;
  }

  /** Connections now. */
  get size(): number {
    return this.#all.size;
  }

  /** Takes a new connection in, and cuts another one if there are too many. */
  add(socket: Socket): void {
    const remote = remoteOf(socket);
    if (remote === undefined) return void socket.destroy(); // it has gone already
    const { maxStrangers, strangerTimeoutMs } = this.#limits;
    const timer = setTimeout(
      () => this.#cut(remote, `it showed no certificate within ${strangerTimeoutMs} ms`),
      strangerTimeoutMs,
    );
    this.#all.set(remote, { socket, address: socket.remoteAddress!, timer });
    socket.once("close", () => this.#forget(remote, socket));
    if (this.#all.size > maxStrangers) {
      this.#cut(this.#mostCrowded(), `there are more than ${maxStrangers} without a certificate`);
    }
  }

  /** The connection with this remote address and port has shown a good certificate. */
  proven(remote: string): void {
    this.#forget(remote);
  }

  /** Cuts all connections. */
  close(): void {
    for (const { socket, timer } of this.#all.values()) {
      clearTimeout(timer);
      socket.destroy();
    }
    this.#all.clear();
  }

  /** The oldest connection of the address that has the most. */
  #mostCrowded(): string {
    const counts = new Map<string, number>();
    for (const { address } of this.#all.values()) {
      counts.set(address, (counts.get(address) ?? 0) + 1);
    }
    const most = Math.max(...counts.values());
    for (const [remote, { address }] of this.#all) if (counts.get(address) === most) return remote;
    throw new Error("unreachable: one address has the most");
  }

  #cut(remote: string, why: string): void {
    const stranger = this.#all.get(remote);
    if (!stranger) return;
    this.#forget(remote);
    stranger.socket.destroy();
    this.#onCut(remote, why);
  }

  #forget(remote: string, socket?: Socket): void {
    const stranger = this.#all.get(remote);
    if (!stranger || (socket && stranger.socket !== socket)) return;
    clearTimeout(stranger.timer);
    this.#all.delete(remote);
  }
}

/** Address and port of the other side as one text; undefined: the connection has ended. */
export function remoteOf(
  socket: { remoteAddress?: string; remotePort?: number } | undefined,
): string | undefined {
  const { remoteAddress, remotePort } = socket ?? {};
  return remoteAddress === undefined || remotePort === undefined
    ? undefined
    : remoteAddress.includes(":")
    ? `[${remoteAddress}]:${remotePort}`
    : `${remoteAddress}:${remotePort}`;
}
