/**
 * A gateway under the simulator whose deployments lose nodes: the production's gateway, generations,
 * arbiters and stages, over toy engines. When a node is lost, a deployment of other nodes takes over
 * some time later.
 *
 * @module
 */
import {
  type ActorSystem,
  arbiterActor,
  type Deployment,
  directoryOf,
  generationActor,
  parseAddress,
  seededRandom,
  shapeSchema,
  Simulation,
  stageActor,
} from "../../actors/mod.ts";
import { evenSplit } from "../../planner/mod.ts";
import { Admission, Gateway } from "../../runtime/serve/mod.ts";
import type { GenerateRequest, GenerationEvent } from "../../runtime/api/mod.ts";
import type { ServedModel } from "../../runtime/serve/served_model.ts";
import { LAYERS } from "./generation_world.ts";
import { TOY_VOCAB, ToyEngine } from "./toy_engine.ts";

/** What the toy model is served as: tokens are numbers. */
const model = {
  card: { name: "toy", context: 4096, vocab: TOY_VOCAB },
  eos: [],
  defaults: { sampling: {} },
  encode: (prompt: GenerateRequest["prompt"]) =>
    Int32Array.from(prompt.kind === "tokens" ? prompt.tokens : []),
  prepare: () => Promise.resolve(),
  refusals: () => undefined,
  close: () => {},
  outlineText: () => undefined,
  makeCodec: () => ({
    push: (t: number) => ({ text: `${t} `, stopped: false }),
    flush: () => "",
    tokenText: String,
  }),
} as unknown as ServedModel;

/** How a request ended. */
export interface Ended {
  tokens: number[];
  /** Longest virtual milliseconds between two events. */
  pauseMs: number;
  done?: GenerationEvent & { type: "done" };
  error?: unknown;
}

/** See the module's text. */
export class RecoveryWorld {
  readonly sim: Simulation;
  readonly gateway: Gateway;
  readonly random: () => number;
  /** Engines of all stages that were ever made, by node. */
  readonly engines = new Map<string, ToyEngine>();
  /** The deployment that was made last. */
  current?: Deployment;
  readonly #api: ActorSystem;
  readonly #directory = directoryOf((to) => this.#nodeOf(to));
  readonly #deployments = new Map<string, Deployment>();

  /** A world without stages. */
  constructor(seed: number) {
    this.sim = new Simulation({ seed });
    this.random = seededRandom(seed + 1);
    this.#api = this.#node("api");
    this.gateway = new Gateway({
      system: this.#api,
      admission: new Admission({ active: 32, queued: 32 }),
      clock: this.sim.clock,
    });
    this.gateway.register();
  }

  /** A deployment of so many stages serves, each on a node of its own, which is new. */
  serve(stages: number): Deployment {
    const id = `d${this.#deployments.size}`;
    const places = evenSplit(LAYERS, stages).map((range, i) => ({ node: `${id}n${i}`, ...range }));
    const deployment: Deployment = {
      id,
      model: "toy",
      source: "api",
      stages: places,
      members: [],
      shape: shapeSchema.parse({}),
    };
    this.#deployments.set(id, deployment);
    for (const { node, first, last } of places) {
      const system = this.#node(node);
      system.register(stageActor, {
        config: stageActor.config.parse({}),
        resources: () => ({
          engine: () => {
            const engine = new ToyEngine(this.sim.clock, { first, last, layers: LAYERS }, 1, {
              frameMs: (rows) => 5 + rows,
            });
            this.engines.set(node, engine);
            return Promise.resolve(engine);
          },
        }),
      });
    }
    this.current = deployment;
    this.gateway.serve({ model, deployment }, "");
    return deployment;
  }

  /** A node of the deployment dies. The gateway hears of it after `heardMs`, if at all. */
  async kill({ stages }: Deployment, heardMs: number): Promise<void> {
    const { node } = stages[Math.floor(this.random() * stages.length)];
    this.sim.crash(node);
    await this.wait(heardMs);
    this.gateway.nodeLost(node);
    this.gateway.serve(undefined, `node ${node} is gone`);
  }

  /** Virtual milliseconds pass. */
  wait(ms: number): Promise<void> {
    return new Promise((resolve) => void this.sim.clock.after(ms, resolve));
  }

  /** Runs a request to its end. While nothing serves it is asked again, as clients do. */
  async ask(request: Partial<GenerateRequest>): Promise<Ended> {
    while (!this.gateway.readiness().ready) await this.wait(100);
    const ended: Ended = { tokens: [], pauseMs: 0 };
    let last = this.sim.clock.now();
    try {
      const whole = { model: "toy", sampling: {}, stop: [], ...request } as GenerateRequest;
      for await (const event of this.gateway.generate(whole, new AbortController().signal)) {
        const now = this.sim.clock.now();
        ended.pauseMs = Math.max(ended.pauseMs, now - last);
        last = now;
        if (event.type === "delta") ended.tokens.push(...event.tokens.map((t) => t.token));
        if (event.type === "done") ended.done = event;
      }
    } catch (error) {
      ended.error = error;
    }
    return ended;
  }

  /** Generations and arbiters that are active. */
  get actors(): string[] {
    return this.#api.status().map((a) => parseAddress(a.address).kind)
      .filter((kind) => kind === generationActor.kind || kind === arbiterActor.kind);
  }

  #node(name: string): ActorSystem {
    return this.sim.node(name, this.#directory);
  }

  #nodeOf(to: string): string {
    const { deployment, kind, key } = parseAddress(to);
    return kind === "stage" ? this.#deployments.get(deployment)!.stages[Number(key)].node : "api";
  }
}
