/**
 * A simulated pipeline with an arbiter and toy stages, and clients that send it what generations
 * send.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  type ActorSystem,
  type Address,
  address,
  arbiterActor,
  arbiterAddress,
  type ArbiterStats,
  type ArenaLayout,
  type Clock,
  directoryOf,
  type Frame,
  type FrameTrace,
  headActor,
  headAddress,
  type HeadTokens,
  type Inbox,
  OrreryError,
  type RequestUsage,
  type ResultsMessage,
  samplingSchema,
  shapeSchema,
  Simulation,
  stageActor,
  stageAddress,
  type Telemetry,
  type Windowed,
  type WorkReport,
} from "../../actors/mod.ts";
import { headBounds } from "../../models/head_parts.ts";
import { evenHead, evenSplit } from "../../planner/mod.ts";
import { TOY_VOCAB, toyAnswer, ToyEngine, ToyHead } from "./toy_engine.ts";

/** Layers of the toy model. */
export const LAYERS = 4;

/** Options of {@linkcode arbiterWorld}. */
export interface ArbiterWorldOptions {
  stages?: number;
  seed?: number;
  latencyMs?: { min: number; max: number };
  /** Virtual milliseconds of a frame at each stage, by its rows. */
  frameMs?: (rows: number) => number;
  /**
   * Virtual milliseconds: `attend` for each slot before a frame's rows, `move` for each row that a
   * layout keeps.
   */
  slotMs?: { attend: number; move: number };
  /** Shards of the LM head, on nodes h0, h1 ... @default 0: the last stage has it */
  shards?: number;
  /** Virtual milliseconds that each shard takes. @default 1 */
  headMs?: number[];
  /** Rows for which each stage has memory. */
  budgetRows?: number[];
  capacityRows?: number;
  /** Every second layer of the model has a window. @default no layer has one */
  windowed?: Windowed;
  shape?: Record<string, unknown>;
  arbiter?: Record<string, unknown>;
  stage?: Record<string, unknown>;
}

/** Nodes s0, s1 ... with a stage each, and a node "api" with the arbiter. */
export function arbiterWorld(options: ArbiterWorldOptions = {}) {
  const { stages = 2, seed = 1, frameMs = (rows) => rows, capacityRows = 4096 } = options;
  const sim = new Simulation({ seed, latencyMs: options.latencyMs });
  const shards = options.shards ?? 0;
  const bounds = headBounds(TOY_VOCAB);
  const head = evenHead(Array.from({ length: shards }, (_, i) => `h${i}`)).map((share) => ({
    first: bounds[share.first_part],
    tokens: bounds[share.last_part + 1] - bounds[share.first_part],
  }));
  /** Nodes of stages and shards that were moved, by what begins the names of all their nodes. */
  const moved = new Map<string, string>();
  const directory = directoryOf((a) => {
    const [, kind, index] = a.split("/");
    const first = kind === "stage" ? `s${index}` : kind === "head" ? `h${index}` : "api";
    return moved.get(first) ?? first;
  });
  const heads: ToyHead[][] = head.map(() => []);
  const engines: ToyEngine[][] = [];
  const crashes: OrreryError[] = [];
  const onCrash = (_: string, error: OrreryError) => void crashes.push(error);
  const ranges = evenSplit(LAYERS, stages);
  const start = (i: number) => {
    const system = sim.node(moved.get(`s${i}`) ?? `s${i}`, directory, { onCrash });
    system.register(stageActor, {
      config: stageActor.config.parse(options.stage ?? {}),
      resources: () => ({
        engine: () => {
          const taxed = {
            frameMs,
            budgetRows: options.budgetRows?.[i],
            window: options.windowed?.window,
            ...(shards > 0 && { head }),
            ...options.slotMs,
          };
          const engine = new TaxedEngine(sim.clock, { ...ranges[i], layers: LAYERS }, taxed);
          engines[i].push(engine);
          return Promise.resolve(engine);
        },
      }),
    });
    return system;
  };
  const systems = ranges.map((_, i) => {
    engines.push([]);
    return start(i);
  });
  const startHead = (i: number) => {
    const tokens = head[i];
    const system = sim.node(moved.get(`h${i}`) ?? `h${i}`, directory, { onCrash });
    system.register(headActor, {
      config: headActor.config.parse(options.stage ?? {}),
      resources: () => ({
        engine: () => {
          const engine = new ToyHead(sim.clock, tokens, options.headMs?.[i] ?? 1);
          heads[i].push(engine);
          return Promise.resolve(engine);
        },
      }),
    });
    return system;
  };
  const headSystems = head.map((_, i) => startHead(i));
  const reports: { from: string; report: WorkReport }[] = [];
  const telemetry: Telemetry = {
    report: (from, report) => void reports.push({ from, report }),
    span: () => undefined,
  };
  const api = sim.node("api", directory, { onCrash, telemetry });
  api.register(arbiterActor, {
    config: arbiterActor.config.parse({ silenceMs: 5_000, ...options.arbiter }),
    resources: () => ({
      pipeline: {
        stages: Array.from({ length: stages }, (_, i) => stageAddress("d", i)),
        heads: head.map((_, i) => headAddress("d", i)),
        shape: shapeSchema.parse(options.shape ?? {}),
        capacity_rows: capacityRows,
        windowed: options.windowed,
      },
    }),
  });
  const arbiter = arbiterAddress("d", "a");
  return {
    sim,
    api,
    systems,
    headSystems,
    engines,
    heads,
    crashes,
    /** What the actors of the arbiter's node have told of their work. */
    reports,
    arbiter,
    client: (key: string) => new Client(api, arbiter, key),
    stats: () => sim.until(api.ask(arbiter, { type: "stats" })) as Promise<ArbiterStats>,
    traces: () => sim.until(api.ask(arbiter, { type: "traces" })) as Promise<FrameTrace[]>,
    arenas: () => engines.flat().reduce((n, e) => n + (e.disposed ? 0 : e.arenas.size), 0),
    /** Ends the node of a stage (`s0`) or shard (`h0`) without a goodbye. */
    crash: (name: string) => sim.crash(moved.get(name) ?? name),
    /** Gives a stage or shard a new node, with nothing in it. */
    move: (name: string) => {
      moved.set(name, `${name}.${sim.steps}`);
      const i = Number(name.slice(1));
      if (name[0] === "s") systems[i] = start(i);
      else headSystems[i] = startHead(i);
    },
    /** Lets a stage be at its first node again, as it was left there; `systems` is as before. */
    moveBack: (name: string) => void moved.delete(name),
    /** Starts the node of a crashed stage again, with nothing in it. */
    revive: (i: number) => void (systems[i] = start(i)),
    /** Sends a message to a stage and runs until it is delivered. */
    toStage: (i: number, message: { type: string } & Record<string, unknown>) =>
      sim.until(systems[i].tell(stageAddress("d", i), message)),
  };
}

/** A toy engine on which attending to slots and moving rows take time, as on a real one. */
class TaxedEngine extends ToyEngine {
  readonly #clock: Clock;
  readonly #moveMs: number;
  readonly #slots: { below: number };

  constructor(
    clock: Clock,
    range: { first: number; last: number; layers: number },
    { frameMs, budgetRows, head, window, attend = 0, move = 0 }: {
      frameMs: (rows: number) => number;
      budgetRows?: number;
      head?: HeadTokens[];
      window?: number;
      attend?: number;
      move?: number;
    },
  ) {
    const slots = { below: 0 };
    super(clock, range, 1, {
      head,
      budgetRows,
      window,
      frameMs: (rows) => frameMs(rows) + attend * slots.below,
    });
    this.#clock = clock;
    this.#moveMs = move;
    this.#slots = slots;
  }

  override run(frame: Frame) {
    this.#slots.below = frame.base;
    return super.run(frame);
  }

  override async layout(name: string, layout: ArenaLayout): Promise<void> {
    const ms = this.#moveMs * layout.keep.length;
    if (ms > 0) await new Promise<void>((resolve) => this.#clock.after(ms, resolve));
    await super.layout(name, layout);
  }
}

/** Thrown when a request has failed, with the arbiter's error. */
export class Refused extends Error {
  constructor(readonly error: OrreryError) {
    super(error.message);
  }
}

/** A client that sends the arbiter what a generation sends. */
export class Client {
  readonly address: Address;
  readonly inbox: Inbox;
  readonly #system: ActorSystem;
  readonly #arbiter: Address;
  /** Prompt rows that were found in the KV cache; undefined: not known yet. */
  reused?: number;
  /** Largest number of frames in flight that it was told of. */
  mostInFlight = 0;

  constructor(system: ActorSystem, arbiter: Address, key: string) {
    this.address = address("d", "generation", key);
    this.inbox = system.inbox(this.address, { capacity: 1024 });
    this.#system = system;
    this.#arbiter = arbiter;
  }

  open(prompt: Int32Array, more: Record<string, unknown> = {}): Promise<void> {
    return this.#tell({
      type: "open",
      prompt,
      sampling: samplingSchema.parse({}),
      max_rows: prompt.length + 64,
      ...more,
    });
  }

  rows(
    kind: "prefill" | "decode" | "draft",
    first: number,
    rows: { token: number; position: number; parent: number; want?: boolean; chance?: number }[],
  ): Promise<void> {
    return this.#tell({
      type: "rows",
      first,
      tokens: Int32Array.from(rows, (r) => r.token),
      positions: Int32Array.from(rows, (r) => r.position),
      parents: Int32Array.from(rows, (r) => r.parent),
      want: Int32Array.from(rows.flatMap((r, i) => r.want === false ? [] : [i])),
      kind,
      ...(kind === "draft" && { chance: Float32Array.from(rows, (r) => r.chance ?? 1) }),
    });
  }

  drop(...rows: number[]): Promise<void> {
    return this.#tell({ type: "drop", rows: Int32Array.from(rows) });
  }

  /** Next results; throws {@linkcode Refused} if the request has failed. */
  async next(): Promise<ResultsMessage["results"]> {
    const message = await this.inbox.next();
    // deno-lint-ignore no-explicit-any
    const body = message!.body as any;
    if (message!.type === "failed") throw new Refused(OrreryError.fromWire(body.error));
    this.reused ??= body.reused_rows;
    this.mostInFlight = Math.max(this.mostInFlight, body.in_flight);
    return body.results;
  }

  async close(): Promise<RequestUsage> {
    const usage = await this.#system.ask(this.#arbiter, {
      type: "close",
      generation: this.address,
    });
    this.inbox.close();
    return usage as RequestUsage;
  }

  /** A plain answer of `count` tokens; calls `each` before each token's row goes out. */
  async answer(
    prompt: Int32Array,
    count: number,
    { each, ...more }: { each?: () => unknown } & Record<string, unknown> = {},
  ): Promise<{ tokens: number[]; usage: RequestUsage }> {
    await this.open(prompt, { max_rows: prompt.length + count, ...more });
    const tokens: number[] = [];
    for (;;) {
      const [result, ...rest] = await this.next();
      assert.equal(rest.length, 0);
      assert.equal(result.row, prompt.length + tokens.length - 1);
      tokens.push(result.token);
      await each?.();
      if (tokens.length === count) return { tokens, usage: await this.close() };
      const number = prompt.length + tokens.length - 1;
      await this.rows("decode", number, [{
        token: result.token,
        position: number,
        parent: number - 1,
      }]);
    }
  }

  #tell(message: { type: string } & Record<string, unknown>): Promise<void> {
    return this.#system.tell(this.#arbiter, { ...message, generation: this.address });
  }
}

/** A prompt that differs with `salt`. */
export const promptOf = (length: number, salt = 0) =>
  Int32Array.from({ length }, (_, i) => (i * 37 + 11 + salt * 101) % 251);

const known = new Map<string, number>();

/** The toy model's greedy token after these tokens. */
export async function tokenAfter(path: readonly number[], window?: number): Promise<number> {
  const key = `${window ?? ""} ${path}`;
  const token = known.get(key) ??
    (await toyAnswer(Int32Array.from(path), 1, LAYERS, undefined, window))[0];
  known.set(key, token);
  return token;
}

/** The error with which a request fails; the test fails if it does not. */
export async function refusal(promise: Promise<unknown>): Promise<OrreryError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Refused) return error.error;
    throw error;
  }
  return assert.fail("the request was not refused");
}

/**
 * Grows a random tree of rows: next rows of answers, right and wrong drafts, branches, drops.
 * Checks every token against the model's. Ends after `steps` results, with frames possibly under
 * way.
 */
export async function randomTree(
  client: Client,
  { random, prompt, steps, reuse = true, window }: {
    random: () => number;
    prompt: Int32Array;
    steps: number;
    reuse?: boolean;
    /** That of the model. */
    window?: number;
  },
): Promise<RequestUsage> {
  const int = (n: number) => Math.floor(random() * n);
  const rows = new Map<number, { token: number; position: number; parent: number }>();
  prompt.forEach((token, position) =>
    rows.set(position, { token, position, parent: position - 1 })
  );
  const wanted = new Set([prompt.length - 1]);
  let first = prompt.length;
  const path = (n: number): number[] => {
    const tokens = [];
    for (; n >= 0; n = rows.get(n)!.parent) tokens.push(rows.get(n)!.token);
    return tokens.reverse();
  };
  const send = async (
    kind: "prefill" | "decode" | "draft",
    parent: number,
    tokens: number[],
    all: boolean,
  ) => {
    const made = tokens.map((token, i) => {
      const up = i === 0
        ? parent
        : kind === "draft" && i > 1 && random() < 0.3
        ? first + i - 2
        : first + i - 1;
      const row = {
        token,
        position: 0,
        parent: up,
        want: all || i === tokens.length - 1,
        chance: random(),
      };
      row.position = rows.get(up)!.position + 1;
      rows.set(first + i, row);
      if (row.want) wanted.add(first + i);
      return row;
    });
    await client.rows(kind, first, made);
    first += tokens.length;
  };
  await client.open(prompt, {
    max_rows: prompt.length + 120,
    reuse,
    branches: true,
    pieces: [1 + int(20), 1 + int(20)],
  });
  for (let step = 0; step < steps;) {
    for (const { row, token } of await client.next()) {
      if (!wanted.delete(row)) continue; // the row was dropped meanwhile
      step++;
      assert.equal(
        token,
        await tokenAfter(path(row), window),
        `token after row ${row}, ${path(row)}`,
      );
      const victims = [...rows.keys()].filter((n) => n >= prompt.length);
      const live = victims.length;
      if (live > 80 || (live > 0 && random() < 0.15)) {
        const lost = new Set([victims[int(victims.length)]]);
        for (const n of victims) if (lost.has(rows.get(n)!.parent)) lost.add(n);
        // Descendants need not be named.
        await client.drop(...[...lost].filter((n, i) => i === 0 || n % 2 === 0));
        for (const n of lost) {
          rows.delete(n);
          wanted.delete(n);
        }
      }
      if (!rows.has(row) || live > 80) continue;
      if (random() < 0.8) await send("decode", row, [token], true);
      if (random() < 0.4) {
        const guess = random() < 0.5 ? token : int(251);
        await send("draft", row, [guess, ...Array.from({ length: int(4) }, () => int(251))], true);
      }
      if (random() < 0.2) {
        const at = [...rows.keys()][int(rows.size)];
        if (at >= prompt.length || !wanted.has(prompt.length - 1)) {
          await send(
            "prefill",
            at,
            Array.from({ length: 1 + int(9) }, () => int(251)),
            random() < 0.3,
          );
        }
      }
    }
    if (wanted.size === 0) {
      const tip = [...rows.keys()].at(-1)!;
      await send("decode", tip, [int(251)], true);
    }
  }
  return await client.close();
}
