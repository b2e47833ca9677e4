/**
 * Real etcd members, in processes of their own, each behind proxies that cut it off from the others.
 *
 * @module
 */
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { findProgram } from "./find_program.ts";
import { freePorts } from "./free_ports.ts";

/** Where `etcd` is; undefined: it is not on the PATH. */
export const ETCD: string | undefined = await findProgram("etcd");

/** Milliseconds for a cluster to answer after it was started. */
const PATIENCE_MS = 30_000;

/** One member. */
export class EtcdMember {
  #child: Deno.ChildProcess | undefined;

  /** `peers` is where other members come in. */
  constructor(
    readonly name: string,
    readonly port: number,
    readonly peers: PeerProxy,
    readonly args: string[],
  ) {}

  /** Starts it, over its data if it ran before. */
  start(): void {
    const args = [...this.args, "--name", this.name, "--log-level", "error"];
    this.#child = new Deno.Command(ETCD!, {
      args,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
  }

  kill(signal: Deno.Signal): void {
    this.#child!.kill(signal);
  }

  /** Kills it and waits for its end, also when it is stopped. */
  async end(): Promise<void> {
    try {
      this.kill("SIGKILL");
    } catch {
      // it has ended
    }
    await this.#child!.status;
  }
}

/** Some members that are one cluster, with their data in a temporary folder. */
export class EtcdCluster implements AsyncDisposable {
  private constructor(
    readonly members: EtcdMember[],
    readonly scheme: "http" | "https",
    readonly folder: string,
  ) {}

  /**
   * Starts so many members and waits until they answer. `options` are added to the command line of
   * each; with `tls` among them clients must use it.
   */
  static async start(count: number, options: string[] = [], tls = false): Promise<EtcdCluster> {
    const folder = await Deno.makeTempDir({ prefix: "orrery-etcd-" });
    const ports = await freePorts(count * 2);
    const scheme = tls ? "https" : "http";
    const proxies: PeerProxy[] = [];
    for (let i = 0; i < count; i++) proxies.push(await PeerProxy.open(ports[2 * i + 1]));
    const initial = proxies.map(({ port }, i) => `m${i}=http://127.0.0.1:${port}`).join();
    const members = proxies.map((peers, i) =>
      new EtcdMember(`m${i}`, ports[2 * i], peers, [
        ...["--data-dir", `${folder}/m${i}`],
        ...["--listen-client-urls", `${scheme}://127.0.0.1:${ports[2 * i]}`],
        ...["--advertise-client-urls", `${scheme}://127.0.0.1:${ports[2 * i]}`],
        ...["--listen-peer-urls", `http://127.0.0.1:${ports[2 * i + 1]}`],
        ...["--initial-advertise-peer-urls", `http://127.0.0.1:${peers.port}`],
        ...["--initial-cluster", initial, "--initial-cluster-state", "new"],
        ...options,
      ])
    );
    const cluster = new EtcdCluster(members, scheme, folder);
    for (const member of members) member.start();
    await cluster.answers();
    return cluster;
  }

  /** The `etcd://` address of all members, beginning with this one. */
  url(query = "", first = 0): string {
    const hosts = this.members.map(({ port }) => `127.0.0.1:${port}`);
    return `etcd://${[...hosts.slice(first), ...hosts.slice(0, first)]}${query && `?${query}`}`;
  }

  /** Waits until every member answers; with TLS only until it takes connections. */
  async answers(): Promise<void> {
    const end = performance.now() + PATIENCE_MS;
    for (const { port } of this.members) {
      while (!await this.#healthy(port)) {
        if (performance.now() > end) throw new Error(`etcd is silent for ${PATIENCE_MS} ms`);
        await sleep(50);
      }
    }
  }

  /** Calls a method of one member, past the code that is tested. */
  async call(path: string, body: unknown, member = 0): Promise<Record<string, unknown>> {
    const response = await fetch(`${this.scheme}://127.0.0.1:${this.members[member].port}${path}`, {
      method: "POST",
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(5_000),
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(`${path}: ${JSON.stringify(answer)}`);
    return answer;
  }

  /** Number of the member that leads; one is not asked, if it is named. */
  async leader({ without = -1 } = {}): Promise<number> {
    for (let i = 0; i < this.members.length; i++) {
      if (i === without) continue;
      const { leader, header } = await this.call("/v3/maintenance/status", {}, i);
      if (leader === (header as { member_id: string }).member_id) return i;
    }
    throw new Error("nobody leads");
  }

  /** No message passes between this member and the others, until it is called with false. */
  async isolate(member: number, isolated = true): Promise<void> {
    const { header } = await this.call("/v3/maintenance/status", {}, member);
    const id = BigInt((header as { member_id: string }).member_id).toString(16);
    this.members.forEach(({ peers }, i) =>
      peers.block(isolated ? (from) => i === member || from === id : () => false)
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const member of this.members) {
      await member.end();
      await member.peers.close();
    }
    await Deno.remove(this.folder, { recursive: true });
  }

  async #healthy(port: number): Promise<boolean> {
    try {
      if (this.scheme === "https") {
        (await Deno.connect({ hostname: "127.0.0.1", port })).close();
        return true;
      }
      const signal = AbortSignal.timeout(2_000);
      const response = await fetch(`http://127.0.0.1:${port}/health`, { signal });
      return (await response.text()).includes("true");
    } catch {
      return false;
    }
  }
}

/** Where other members reach one member; it tells them apart by what they say first. */
class PeerProxy {
  readonly #server: Server;
  readonly #connections = new Map<[Socket, Socket], string>();
  #blocked: (from: string) => boolean = () => false;

  private constructor(target: number) {
    this.#server = createServer((left) => this.#accept(left, target));
  }

  static async open(target: number): Promise<PeerProxy> {
    const proxy = new PeerProxy(target);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Breaks connections, present and future ones, of members with these ids (hexadecimal). */
  block(blocked: (from: string) => boolean): void {
    this.#blocked = blocked;
    for (const [pair, from] of this.#connections) {
      if (blocked(from)) { for (const socket of pair) socket.destroy(); }
    }
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const pair of this.#connections.keys()) for (const socket of pair) socket.destroy();
    await closed;
  }

  #accept(left: Socket, target: number): void {
    const right = connect({ host: "127.0.0.1", port: target });
    const pair: [Socket, Socket] = [left, right];
    this.#connections.set(pair, "");
    const end = () => {
      this.#connections.delete(pair);
      for (const socket of pair) socket.destroy();
    };
    for (const socket of pair) socket.on("error", end).on("close", end);
    left.once("data", (head: Uint8Array) => {
      const from = /^X-Server-From: ([0-9a-f]+)/im.exec(new TextDecoder().decode(head))?.[1] ?? "";
      this.#connections.set(pair, from);
      if (this.#blocked(from)) return end();
      right.write(head);
      left.pipe(right);
    });
    right.pipe(left);
  }
}
