/**
 * Stages with real engines, each at a node of its own, and an arbiter, in real time and in one
 * process. Nodes can be lost, and stages given new ones.
 *
 * @module
 */
import {
  ActorSystem,
  arbiterActor,
  arbiterAddress,
  type ArbiterStats,
  directoryOf,
  OrreryError,
  type ResultsMessage,
  type Sampling,
  shapeSchema,
  stageActor,
  stageAddress,
  type StageEngine,
  systemClock,
  type Windowed,
  type Wire,
} from "../../actors/mod.ts";
import { LocalNetwork } from "../../actors/system/local_transport.ts";
import { Client } from "./arbiter_world.ts";

/** Options of a {@linkcode RebuildWorld}. */
export interface RebuildWorldOptions {
  /** Number of stages. */
  stages: number;
  /** Loads the engine of a stage. */
  load: (stage: number) => Promise<StageEngine>;
  wire: Wire;
  /** Rows of the arena. */
  capacityRows: number;
  /** The model's windowed layers. @default they keep all rows */
  windowed?: Windowed;
}

/** See the module's text. */
export class RebuildWorld implements AsyncDisposable {
  readonly arbiter = arbiterAddress("d", "a");
  readonly #o: RebuildWorldOptions;
  readonly #network = new LocalNetwork();
  readonly #systems = new Map<string, ActorSystem>();
  /** Node of each stage. */
  readonly #nodes: string[];
  readonly #api: ActorSystem;
  #count = 0;

  /** Engines are loaded by {@linkcode warm}, or with the first frame. */
  constructor(options: RebuildWorldOptions) {
    this.#o = options;
    this.#nodes = Array.from({ length: options.stages }, () => this.#start());
    this.#api = this.#system("api");
    this.#api.register(arbiterActor, {
      config: arbiterActor.config.parse({}),
      resources: () => ({
        pipeline: {
          stages: this.#nodes.map((_, i) => stageAddress("d", i)),
          shape: shapeSchema.parse({ wire: options.wire }),
          capacity_rows: options.capacityRows,
          windowed: options.windowed,
        },
      }),
    });
  }

  /** A client of the arbiter. */
  client(key: string): Client {
    return new Client(this.#api, this.arbiter, key);
  }

  /** The arbiter's figures. */
  async stats(): Promise<ArbiterStats> {
    return await this.#api.ask(this.arbiter, { type: "stats" }) as ArbiterStats;
  }

  /** Loads all engines that are not loaded. */
  async warm(): Promise<void> {
    for (const i of this.#nodes.keys()) {
      await this.#systems.get(this.#nodes[i])!.ask(stageAddress("d", i), { type: "warm" });
    }
  }

  /** A node for this stage, whose engine is loaded; the stage is not there yet. */
  async backup(stage: number): Promise<string> {
    const node = this.#start();
    const before = this.#nodes[stage];
    // The address is at the node that asks while it loads.
    this.#nodes[stage] = node;
    await this.#systems.get(node)!.ask(stageAddress("d", stage), { type: "warm" });
    this.#nodes[stage] = before;
    return node;
  }

  /** Loses the nodes of these stages, and lets each go on at its backup. */
  async lose(backups: ReadonlyMap<number, string>): Promise<void> {
    const error = new OrreryError({
      group: "cluster",
      code: "node_lost",
      message: "a node is gone",
    });
    for (const stage of backups.keys()) this.#network.crash(this.#nodes[stage]);
    await this.#api.tell(this.arbiter, { type: "lost", error: error.toWire(), held: true });
    for (const [stage, node] of backups) this.#nodes[stage] = node;
    const replaced = { type: "replaced", stages: [...backups.keys()], heads: [] };
    await this.#api.tell(this.arbiter, replaced);
  }

  /**
   * Plain answers of `count` tokens, side by side. `act` is called once, when the first of them has
   * `at` tokens; `each` with every token of any.
   */
  async answers(
    requests: { prompt: Int32Array; sampling: Sampling }[],
    { count, at, act, each }: {
      count: number;
      at: number;
      act: () => unknown;
      each?: () => void;
    },
  ): Promise<ResultsMessage["results"][]> {
    let acted: Promise<unknown> | undefined;
    const answers = await Promise.all(requests.map(async ({ prompt, sampling }, i) => {
      const client = this.client(`g${i}`);
      await client.open(prompt, { sampling, max_rows: prompt.length + count });
      const results: ResultsMessage["results"] = [];
      for (;;) {
        const [result] = await client.next();
        results.push(result);
        each?.();
        if (i === 0 && results.length === at) acted = Promise.resolve(act());
        if (results.length === count) break;
        const number = prompt.length + results.length - 1;
        const row = { token: result.token, position: number, parent: number - 1 };
        await client.rows("decode", number, [row]);
      }
      await client.close();
      return results;
    }));
    await acted;
    return answers;
  }

  #start(): string {
    const node = `s${this.#count++}`;
    this.#system(node).register(stageActor, {
      config: stageActor.config.parse({}),
      resources: (to) => ({ engine: () => this.#o.load(Number(to.split("/")[2])) }),
    });
    return node;
  }

  #system(node: string): ActorSystem {
    const system = new ActorSystem({
      transport: this.#network.connect(node),
      directory: directoryOf((to) => {
        const [, kind, index] = to.split("/");
        return kind === "stage" ? this.#nodes[Number(index)] : "api";
      }),
      clock: systemClock,
      random: Math.random,
    });
    this.#systems.set(node, system);
    return system;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const system of this.#systems.values()) await system.close({ deadlineMs: 1_000 });
  }
}
