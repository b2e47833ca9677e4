/**
 * A TCP proxy on loopback that misbehaves on demand.
 *
 * @module
 */
import net, { type AddressInfo, type Socket } from "node:net";

/** See the module's text. */
export class FaultyProxy {
  readonly #pairs = new Set<[Socket, Socket]>();
  readonly #server: net.Server;
  #stalled = false;
  #corruptAfter = Infinity;
  #bytesPerMs = Infinity;

  private constructor(readonly target: () => number) {
    this.#server = net.createServer((socket) => this.#accept(socket));
  }

  /** Listens on a free port; `target` says where each new connection goes. */
  static async open(target: () => number): Promise<FaultyProxy> {
    const proxy = new FaultyProxy(target);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Breaks the connections through the proxy. */
  cut(): void {
    for (const [left, right] of this.#pairs) {
      left.destroy();
      right.destroy();
    }
  }

  /** Holds back what goes to the target, on connections present and future, until `resume`. */
  stall(): void {
    this.#stalled = true;
    for (const [left] of this.#pairs) left.pause();
  }

  resume(): void {
    this.#stalled = false;
    for (const [left] of this.#pairs) left.resume();
  }

  /** Lets so many bytes a millisecond through to the target, on connections present and future. */
  pace(bytesPerMs: number): void {
    this.#bytesPerMs = bytesPerMs;
  }

  /**
   * Overwrites what goes to the target with 0xff from this many bytes on, until the connection is
   * gone.
   */
  corruptAfter(bytes: number): void {
    this.#corruptAfter = bytes;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.cut();
    await closed;
  }

  #accept(left: Socket): void {
    const right = net.connect({ port: this.target(), host: "127.0.0.1", noDelay: true });
    left.setNoDelay(true);
    const pair: [Socket, Socket] = [left, right];
    this.#pairs.add(pair);
    let corrupting = false;
    let paced: ReturnType<typeof setTimeout> | undefined;
    const end = () => {
      if (corrupting) this.#corruptAfter = Infinity;
      this.#pairs.delete(pair);
      clearTimeout(paced);
      left.destroy();
      right.destroy();
    };
    for (const socket of pair) {
      socket.on("error", () => {});
      socket.on("close", end);
    }
    left.on("data", (chunk: Uint8Array) => {
      this.#corruptAfter -= chunk.byteLength;
      corrupting ||= this.#corruptAfter <= 0;
      const taken = right.write(corrupting ? new Uint8Array(chunk.byteLength).fill(0xff) : chunk);
      const waitMs = chunk.byteLength / this.#bytesPerMs;
      if (taken && waitMs === 0) return;
      left.pause();
      const resume = () => this.#stalled || left.resume();
      if (waitMs > 0) paced = setTimeout(resume, waitMs);
      else right.once("drain", resume);
    });
    right.on("data", (chunk: Uint8Array) => left.write(chunk));
    if (this.#stalled) left.pause();
  }
}
