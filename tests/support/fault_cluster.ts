/**
 * Four nodes in processes of their own, over a registry that all of them open, whose processes, links
 * and disks fail.
 *
 * @module
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { FaultMachines } from "./fault_machines.ts";
import { ETCD } from "./etcd_server.ts";
import { freePorts } from "./free_ports.ts";
import { EVEN, NodeProcess } from "./processes.ts";

/** Names of the nodes. */
const NAMES = ["a", "b", "c", "d"];
/** Milliseconds in which a cluster must serve with all of its nodes again. */
const WHOLE_MS = 90_000;

/** What a node does in a deployment, or for the cluster. */
export type FaultRole = "stage" | "head" | "drafter" | "coordinator";

/**
 * Indices of the nodes, by what each has printed in its present life, at which actors of this kind are
 * in the deployment that was loaded last. Where layers move, another node loads the same actor later,
 * and the node that loaded it before has it no more.
 */
export function holdersOf(
  outputs: readonly string[],
  kind: Exclude<FaultRole, "coordinator">,
): number[] {
  const loads = outputs.flatMap((output, node) =>
    [...output.matchAll(/^stderr: (\S+ \S+) .*"((\w+-\d+)\/(\w+)\/\w+)" loads/gm)]
      .map(([, at, actor, id, kind]) => ({ node, at, actor, id, kind }))
  ).sort((x, y) => x.at < y.at ? -1 : 1);
  const last = loads.at(-1)?.id;
  const own = loads.filter((load) => load.id === last && load.kind === kind);
  return [...new Set(new Map(own.map(({ actor, node }) => [actor, node])).values())];
}

/** A node, in the lives that follow each other. */
export class FaultNode {
  #process?: NodeProcess;

  constructor(
    readonly name: string,
    readonly machine: { address: string; disk: string; link?: (up: boolean) => Promise<void> },
    readonly begin: () => NodeProcess,
  ) {}

  /** Starts it, for the first time or again. */
  start(): NodeProcess {
    return this.#process = this.begin();
  }

  get process(): NodeProcess {
    return this.#process!;
  }

  /** Ends it without a word. */
  async kill(): Promise<void> {
    this.process.kill("SIGKILL");
    await this.process.status();
  }
}

/** Options of {@linkcode FaultCluster.open}. */
export interface FaultClusterOptions {
  /** Each node has a network namespace and a disk of its own, where this program may make some. */
  machines: boolean;
}

/** See the module's text. */
export class FaultCluster implements AsyncDisposable {
  readonly nodes: FaultNode[] = [];
  readonly #stack = new AsyncDisposableStack();

  private constructor(readonly machines: FaultMachines | undefined, readonly folder: string) {}

  /** Starts all nodes, and waits until they serve. There must be an etcd on the PATH. */
  static async open({ machines }: FaultClusterOptions): Promise<FaultCluster> {
    const folder = await Deno.makeTempDir({ prefix: "orrery-faults-" });
    const made = machines ? await FaultMachines.open(NAMES.length, folder) : undefined;
    const cluster = new FaultCluster(made, folder);
    cluster.#stack.defer(() => Deno.remove(folder, { recursive: true }));
    if (made) cluster.#stack.use(made);
    try {
      await cluster.#start();
      return cluster;
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #start(): Promise<void> {
    const host = this.machines?.host ?? "127.0.0.1";
    const [clients, peers, ...ports] = await freePorts(2 + 2 * NAMES.length);
    const url = `http://${host}:${clients}`;
    const etcd = new Deno.Command(ETCD!, {
      args: [
        ...["--data-dir", join(this.folder, "etcd"), "--log-level", "error"],
        ...["--listen-client-urls", url, "--advertise-client-urls", url],
        ...["--listen-peer-urls", `http://127.0.0.1:${peers}`],
      ],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    this.#stack.defer(async () => {
      etcd.kill("SIGKILL");
      await etcd.status;
    });
    // Hidden states travel whole: where layers move, the texts must stay the same.
    const graph = join(this.folder, "graph.yaml");
    await Deno.writeTextFile(
      graph,
      "{ model: embedded, actors: { head: 2 }, decode: { wire: f32 } }",
    );
    for (const [i, name] of NAMES.entries()) {
      const machine = this.machines?.machines[i] ??
        { address: "127.0.0.1", disk: join(this.folder, name) };
      const [port, mailboxPort] = ports.slice(2 * i);
      const args = [
        ...["--data", machine.disk, "--name", name, "--threads", "1", "--log", "info"],
        ...["--port", `${port}`, "--mailbox-port", `${mailboxPort}`, "--host", machine.address],
        ...["--registry", `etcd://${host}:${clients}`, "--nodes", `${NAMES.length}`],
        ...["--graph", graph, "--no-api-key", "--no-discovery", ...EVEN],
      ];
      const within = this.machines?.machines[i].within;
      const begin = () => {
        const process = NodeProcess.start(args, { ports: false, within });
        this.#stack.defer(async () => {
          process.kill("SIGCONT");
          process.kill("SIGKILL");
          await process.status().catch(() => {});
        });
        return process;
      };
      this.nodes.push(new FaultNode(name, machine, begin));
      this.nodes[i].start();
    }
    await this.whole();
  }

  /** Nodes that have this role now; none where nobody has, or none can be told. */
  having(role: FaultRole): FaultNode[] {
    if (role === "coordinator") return this.#coordinator();
    const outputs = this.nodes.map(({ process }) => process.output);
    return holdersOf(outputs, role).map((i) => this.nodes[i]);
  }

  #coordinator(): FaultNode[] {
    const term = ({ process }: FaultNode) =>
      Number([...process.output.matchAll(/this node coordinates, term (\d+)/g)].at(-1)?.[1] ?? 0);
    const [first] = this.nodes.toSorted((x, y) => term(y) - term(x));
    return term(first) > 0 ? [first] : [];
  }

  /** Waits until all nodes say that all of them have layers. */
  async whole(): Promise<void> {
    const end = performance.now() + WHOLE_MS;
    for (;;) {
      const late = this.nodes.filter(({ process }) => {
        const last = process.output.split("\n")
          .filter((line) => /^(not )?ready /.test(line)).at(-1) ?? "";
        return !last.startsWith("ready") || last.match(/\blayers? \d/g)?.length !== NAMES.length;
      });
      if (late.length === 0) return;
      if (performance.now() > end) {
        const said = late.map(({ name, process }) =>
          `${name}:\n${process.output.split("\n").slice(-12).join("\n")}`
        );
        throw new Error(`not all nodes serve after ${WHOLE_MS} ms\n${said.join("\n")}`);
      }
      await sleep(100);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}
