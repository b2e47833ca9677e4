/**
 * Real etcd members, in processes of their own, each behind proxies that can be cut and frozen.
 *
 * @module
 */
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { findProgram } from "./find_program.ts";
import { FaultyProxy } from "./transport_suite_proxy.ts";

/** Where `etcd` is; undefined: it is not on the PATH. */
export const ETCD: string | undefined = await findProgram("etcd");

/** Milliseconds for a cluster to answer after it was started. */
const PATIENCE_MS = 30_000;

/** One member. */
export interface EtcdMember {
  /** Clients connect here; it goes through `clients`. */
  readonly port: number;
  /** Where clients come in. */
  readonly clients: FaultyProxy;
  /** Where other members come in. */
  readonly peers: FaultyProxy;
  kill(signal: Deno.Signal): void;
  /** Starts it again over its data, after it was killed. */
  start(): void;
  /** Waits until its process has ended. */
  ended(): Promise<void>;
}

/** Some members that are one cluster, with their data in a temporary folder. */
export class EtcdCluster implements AsyncDisposable {
  private constructor(
    readonly members: EtcdMember[],
    readonly folder: string,
    readonly options: string[],
  ) {}

  /** Starts so many members and waits until they answer. `options` are added to each one's. */
  static async start(count: number, options: string[] = [], tls = false): Promise<EtcdCluster> {
    const folder = await Deno.makeTempDir({ prefix: "orrery-etcd-" });
    const ports = await freePorts(count * 2);
    const nodes = await Promise.all(Array.from({ length: count }, async (_, i) => ({
      name: `m${i}`,
      client: ports[2 * i],
      peer: ports[2 * i + 1],
      clients: await FaultyProxy.open(() => ports[2 * i]),
      peers: await FaultyProxy.open(() => ports[2 * i + 1]),
    })));
    const initial = nodes.map(({ name, peers }) => `${name}=http://127.0.0.1:${peers.port}`);
    const scheme = tls ? "https" : "http";
    const members = nodes.map(({ name, client, peer, clients, peers }): EtcdMember => {
      let child: Deno.ChildProcess | undefined;
      const start = () => {
        child = new Deno.Command(ETCD!, {
          args: [
            ...["--name", name, "--data-dir", `${folder}/${name}`, "--log-level", "error"],
            ...["--listen-client-urls", `${scheme}://127.0.0.1:${client}`],
            ...["--advertise-client-urls", `${scheme}://127.0.0.1:${clients.port}`],
            ...["--listen-peer-urls", `http://127.0.0.1:${peer}`],
            ...["--initial-advertise-peer-urls", `http://127.0.0.1:${peers.port}`],
            ...["--initial-cluster", initial.join(), "--initial-cluster-state", "new"],
            ...options,
          ],
          stdin: "null",
          stdout: "null",
          stderr: "null",
        }).spawn();
      };
      start();
      return {
        port: clients.port,
        clients,
        peers,
        start,
        kill(signal) {
          try {
            child!.kill(signal);
          } catch {
            // it has ended
          }
        },
        ended: async () => void await child!.status,
      };
    });
    const cluster = new EtcdCluster(members, folder, options);
    await cluster.answers(tls);
    return cluster;
  }

  /** The `etcd://` address of all members, with these options. */
  url(query = ""): string {
    const hosts = this.members.map(({ port }) => `127.0.0.1:${port}`).join();
    return `etcd://${hosts}${query && `?${query}`}`;
  }

  /** Waits until a member answers. */
  async answers(tls = false): Promise<void> {
    const end = performance.now() + PATIENCE_MS;
    for (const { port } of this.members) {
      for (;;) {
        try {
          if (tls) {
            const connection = await Deno.connect({ hostname: "127.0.0.1", port });
            connection.close();
            await sleep(500);
            break;
          }
          const response = await fetch(`http://127.0.0.1:${port}/health`, {
            signal: AbortSignal.timeout(2_000),
          });
          if ((await response.text()).includes("true")) break;
        } catch {
          // not yet
        }
        if (performance.now() > end) throw new Error(`etcd does not answer for ${PATIENCE_MS} ms`);
        await sleep(50);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const member of this.members) {
      member.kill("SIGKILL"); // also ends a process that is stopped
      await member.ended();
      await member.clients.close();
      await member.peers.close();
    }
    await Deno.remove(this.folder, { recursive: true });
  }
}

/** Ports that nobody listens on just now. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = [];
  for (const server of servers) {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    ports.push((server.address() as AddressInfo).port);
  }
  for (const server of servers) await new Promise((resolve) => server.close(resolve));
  return ports;
}
