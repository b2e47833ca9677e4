/**
 * The arbiter's decisions in a queueing model: stages that do one frame after the other, links, and
 * a gateway with one thread that needs some time for each lane. No messages, no actors: thousands
 * of frames in a second.
 *
 * @module
 */
import assert from "node:assert/strict";
import { ArbiterCore } from "../../actors/arbiter/core.ts";
import { rowsSchema } from "../../actors/arbiter/messages.ts";
import { type Frame, samplingSchema, shapeSchema, type StageTrace } from "../../actors/mod.ts";

/** Milliseconds of a frame by its rows, as measured. */
export type CostTable = Readonly<Record<number, number>>;

/** A table's milliseconds for `rows` rows: on straight lines between its entries. */
export function msOf(table: CostTable, rows: number): number {
  const known = Object.entries(table).map(([r, ms]) => [Number(r), ms] as const);
  const at = known.findIndex(([r]) => r >= rows);
  const [upper, upperMs] = known[at < 0 ? known.length - 1 : at];
  if (at === 0 || rows === upper) return upperMs;
  const [lower, lowerMs] = known[at < 0 ? known.length - 2 : at - 1];
  return lowerMs + (rows - lower) / (upper - lower) * (upperMs - lowerMs);
}

/** What lanes are decoded on. */
export interface QueueWorld {
  /** Milliseconds of a frame at each of the stages. */
  table: CostTable;
  stages: number;
  /** Milliseconds of each link: to the first stage, between stages, and back. */
  linkMs: number;
  /** Milliseconds that the gateway's thread needs for each lane that was answered. */
  laneMs: number;
  lanes: number;
  /** One request with all lanes, as an outline, or a request for each lane. */
  oneRequest: boolean;
  /** Arbiters, each with an arena, that share the stages and the requests. @default 1 */
  arbiters?: number;
}

/** Things to do at moments, the earliest first. */
export class Events {
  /** Milliseconds. */
  now = 0;
  #n = 0;
  readonly #events: { at: number; n: number; run: () => void }[] = [];

  /** Does it at this moment, after whatever else is to be done then. */
  at(at: number, run: () => void): void {
    const event = { at, n: this.#n++, run };
    let i = this.#events.length;
    while (i > 0 && this.#events[i - 1].at <= at) i--;
    this.#events.splice(i, 0, event); // latest first: the next one is popped
  }

  /** Runs until `over`, and at most `most` events. */
  run(over: () => boolean, most = 1e6): void {
    for (let i = 0; !over(); i++) {
      const next = this.#events.pop();
      assert.ok(next && i < most, "the queue has nothing to do, and lanes wait");
      this.now = next.at;
      next.run();
    }
  }
}

/** Sends frames through the stages; `answered` gets the times of each. */
export function pipeline(
  events: Events,
  { table, stages, linkMs }: Pick<QueueWorld, "table" | "stages" | "linkMs">,
): (rows: number, answered: (trace: StageTrace[]) => void) => void {
  const free = new Array(stages).fill(0);
  return (rows, answered) => {
    const trace: StageTrace[] = [];
    const step = (stage: number) => {
      if (stage === stages) return answered(trace);
      const received = events.now;
      const began = Math.max(received, free[stage]);
      const ended = free[stage] = began + msOf(table, rows);
      trace.push({ stage, received, began, ended });
      events.at(ended + linkMs, () => step(stage + 1));
    };
    events.at(events.now + linkMs, () => step(0));
  };
}

/** A thread: one job after the other. */
export function thread(events: Events): (ms: number, done: () => void) => void {
  let free = 0;
  return (ms, done) => {
    free = Math.max(free, events.now) + ms;
    events.at(free, done);
  };
}

/** Tokens a second where each of `frames` groups of lanes is always a frame of its own. */
export function constantRate(world: QueueWorld, frames: number, rounds = 60): number {
  const events = new Events();
  const send = pipeline(events, world);
  const gateway = thread(events);
  const marks: number[] = [];
  let tokens = 0;
  const per = Math.floor(world.lanes / frames);
  for (let f = 0; f < frames; f++) {
    const rows = per + (f < world.lanes % frames ? 1 : 0);
    const go = () =>
      send(rows, () =>
        gateway(rows * world.laneMs, () => {
          tokens += rows;
          while (tokens >= world.lanes * marks.length) marks.push(events.now);
          go();
        }));
    go();
  }
  events.run(() => marks.length > rounds);
  const from = marks.length >> 2;
  return 1000 * world.lanes * (marks.length - 1 - from) / (marks.at(-1)! - marks[from]);
}

/** The most tokens a second with a constant number of frames, and that number. */
export function bestConstant(world: QueueWorld): { rate: number; frames: number } {
  let best = { rate: 0, frames: 0 };
  for (let frames = 1; frames <= world.lanes; frames++) {
    const rate = constantRate(world, frames);
    if (rate > best.rate * 1.001) best = { rate, frames };
  }
  return best;
}

/** What came of {@linkcode policyRate}. */
export interface PolicyRate {
  /** Tokens a second after the first quarter. */
  rate: number;
  /** Mean rows of a frame, in that time. */
  rows: number;
}

/** Tokens a second where the arbiter decides, over `rounds` tokens of each lane. */
export function policyRate(world: QueueWorld, rounds = 160): PolicyRate {
  const { stages, lanes, laneMs, oneRequest, arbiters = 1 } = world;
  const events = new Events();
  const send = pipeline(events, world);
  const gateway = thread(events);
  let arenas = 0;
  const cores = Array.from({ length: arbiters }, () =>
    new ArbiterCore({
      self: "d/arbiter/a",
      stages,
      shape: shapeSchema.parse({}),
      capacityRows: 1 << 20,
      now: () => events.now,
      nameArena: () => `arena${arenas++}`,
    }));
  const requests = oneRequest ? 1 : lanes;
  const each = lanes / requests;
  const next = new Map<string, number>();
  for (let i = 0; i < requests; i++) {
    const generation = `d/generation/${i}`;
    next.set(generation, 1);
    cores[i % arbiters].open({
      generation,
      prompt: Int32Array.of(i),
      sampling: samplingSchema.parse({}),
      max_rows: 1 + each * (rounds + 8),
      reuse: false,
    });
  }
  let tokens = 0;
  let frames = 0;
  let from: { at: number; tokens: number; frames: number } | undefined;

  /** The next row of each answered lane; after the prompt, the first row of every lane. */
  const proceed = (core: ArbiterCore, generation: string, rows: number[]) => {
    const parents = rows.flatMap((row) => row === 0 ? new Array(each).fill(0) : [row]);
    const first = next.get(generation)!;
    next.set(generation, first + parents.length);
    core.rows(rowsSchema.parse({
      generation,
      first,
      tokens: new Int32Array(parents.length),
      positions: Int32Array.from(parents, (p) => p + 1),
      parents: Int32Array.from(parents),
      want: Int32Array.from(parents, (_, i) => i),
      kind: "decode",
    }));
    turn(core);
  };

  const answered = (core: ArbiterCore, frame: Frame, trace: StageTrace[]) => {
    frames++;
    core.answered({
      arena: frame.arena,
      seq: frame.seq,
      tokens: Array.from(frame.want, (i) => ({ slot: frame.base + i, token: 1 })),
      trace,
      hidden_bytes: 0,
    });
    turn(core);
  };

  const timers = new Map<ArbiterCore, number>();
  function turn(core: ArbiterCore): void {
    const mine = (timers.get(core) ?? 0) + 1;
    timers.set(core, mine);
    const again = core.pump();
    for (const effect of core.takeEffects()) {
      if (effect.kind === "frame") {
        const { frame } = effect;
        send(frame.tokens.length, (trace) => answered(core, frame, trace));
      } else if (effect.kind === "results") {
        const rows = effect.results.results.map((r) => r.row);
        gateway(rows.length * laneMs, () => {
          tokens += rows.length;
          proceed(core, effect.to, rows);
        });
      } else assert.fail(effect.kind);
    }
    if (again !== undefined) {
      events.at(events.now + again, () => mine === timers.get(core) && turn(core));
    }
  }
  for (const core of cores) turn(core);
  const most = lanes * rounds;
  events.run(() => {
    if (!from && tokens >= most / 4) from = { at: events.now, tokens, frames };
    return tokens >= most;
  });
  return {
    rate: 1000 * (tokens - from!.tokens) / (events.now - from!.at),
    rows: (tokens - from!.tokens) / (frames - from!.frames),
  };
}
