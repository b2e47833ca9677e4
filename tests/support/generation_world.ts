/**
 * Generations, an arbiter, toy stages and a scripted drafter under the deterministic simulator.
 *
 * @module
 */
import { z } from "zod";
import {
  address,
  anyNode,
  arbiterActor,
  arbiterAddress,
  type ArbiterStats,
  defineActor,
  type Delta,
  directoryOf,
  type Done,
  draftSchema,
  generationActor,
  headActor,
  headAddress,
  type Inbox,
  type MakeOutlineText,
  OrreryError,
  type Sampling,
  samplingSchema,
  shapeSchema,
  Simulation,
  SOLO,
  type SpelledToken,
  stageActor,
  stageAddress,
  type SuffixStore,
  type Telemetry,
  type TextCodec,
  type Windowed,
  type WireError,
} from "../../actors/mod.ts";
import { evenHead, evenSplit } from "../../planner/mod.ts";
import { headBounds } from "../../models/head_parts.ts";
import { TOY_VOCAB, ToyEngine, ToyHead } from "./toy_engine.ts";
import { isWindowed } from "./toy_near.ts";
import { type ToyGrammar, toyWalk, type ToyWalkOptions } from "./toy_grammar.ts";

/** Layers of the toy model. */
export const LAYERS = 6;
/** A prompt of 40 tokens. */
export const prompt = Int32Array.from({ length: 40 }, (_, i) => (i * 37 + 11) % TOY_VOCAB);
/** The arbiter of the world. */
export const ARBITER = arbiterAddress("d", "api");
/** The drafter of the world. */
export const DRAFTER = address("d", "drafter", "0");

const mix = (a: number, b: number) => Math.imul(a ^ (b + 0x9e37), 0x85ebca6b) >>> 12;

/**
 * The toy model's tokens after others: as `toyAnswer`, but without waiting, which a drafter in
 * virtual time needs.
 */
export function toyTokens(
  before: readonly number[],
  count: number,
  sampling: Sampling,
  choose = (drawn: number, _answer: readonly number[]): number => drawn % TOY_VOCAB,
  { layers: layerCount = LAYERS, window }: { layers?: number; window?: number } = {},
): number[] {
  const layers = Array.from({ length: layerCount }, (): number[] => []);
  const answer: number[] = [];
  for (let i = 0; answer.length < count; i++) {
    let state = before[i] ?? answer[i - before.length];
    for (const [l, layer] of layers.entries()) {
      layer.push(state);
      state = i;
      const first = window !== undefined && isWindowed(l) ? Math.max(0, i - window + 1) : 0;
      for (let s = i; s >= first; s--) state = mix(state, layer[s]);
    }
    const drawn = sampling.temperature > 0 ? mix(state, sampling.seed) : state;
    if (i >= before.length - 1) answer.push(choose(drawn, answer));
  }
  return answer;
}

/** A codec that writes tokens as numbers. */
export const plainCodec = (): TextCodec => ({
  push: (t) => ({ text: `${t} `, stopped: false }),
  flush: () => "",
  tokenText: String,
});

/** How often the drafter is right, what it does besides; `undefined`: there is none. */
export interface ToyDrafter {
  /** Is the draft's token number `n` (counted from the first ever drafted) right? */
  right(n: number): boolean;
  /** That of the model's windowed layers. @default it has none */
  window?: number;
  /** Alternatives beside the chosen token; with `true` the right one is among them. */
  alternatives?: boolean;
  /** Drafts after which it dies without a word (`silent`), or refuses. */
  diesAfter?: number;
  dies?: "silent" | "refuses" | "crashes";
  /** What it says of a token's chance. @default 0.5 */
  chance?: number;
  /** Virtual milliseconds of a drafted token. */
  ms?: number;
}

/** Options of {@linkcode world}. */
export interface GenerationWorldOptions {
  stages?: number;
  seed?: number;
  codec?: (stop: string[]) => TextCodec;
  /** Virtual milliseconds of a frame that begins at `now` at the stage with this index. */
  frameMs?: (rows: number, now: number, stage: number) => number;
  /** Virtual milliseconds of a message between two nodes. @default as the simulation's */
  latencyMs?: { min: number; max: number };
  drafter?: ToyDrafter;
  outline?: MakeOutlineText;
  silenceMs?: number;
  /** Every second layer of the model has a window. @default no layer has one */
  windowed?: Windowed;
  /** Shards of the LM head, on nodes h0, h1 ... @default 0: the last stage has it */
  shards?: number;
  /** The last stage is of a program that does not read `strict_samplers`. */
  outdated?: boolean;
  /** What `constrained` answers are held to, and how the walk behaves. */
  grammar?: ToyGrammar & ToyWalkOptions;
  /**
   * A node `whole` with a stage that has all layers, and an arbiter for it; `frameMs`: virtual
   * milliseconds of its frames.
   */
  solo?: { frameMs: (rows: number, now: number) => number; fails?: OrreryError };
  /**
   * Tokens of the model's vocabulary and the token at each position, whatever stands before it.
   * @default the toy model's
   */
  script?: { vocab: number; token: (position: number) => number };
  /** Earlier answers, in which drafts are looked up. @default none are kept */
  answers?: SuffixStore;
  /** What a node's system tells of its work. @default nobody hears it */
  telemetry?: (node: string) => Telemetry;
}

/** The arbiter of the stage with all layers. */
export const SOLO_ARBITER = arbiterAddress("d", "api~solo");

/** What a client got. */
export interface Outcome {
  tokens: number[];
  text: string;
  deltas: Delta[];
  /** Names of all messages, in order. */
  order: string[];
  /** What it was told of the prompt's tokens; undefined: nothing. */
  scores?: SpelledToken[];
  /** `done` or `failed`. */
  type: string;
  done: Done;
  error: WireError;
}

function toyDrafter(
  script: ToyDrafter,
  { grammar, script: told }: Pick<GenerationWorldOptions, "grammar" | "script">,
) {
  const vocab = told?.vocab ?? TOY_VOCAB;
  return defineActor({
    kind: "drafter",
    config: z.object({}),
    concurrent: ["draft"],
    callers: anyNode,
    messages: { draft: draftSchema, close: z.object({ chain: z.string() }) },
    policy: { restarts: { max: 0, withinMs: 1e9 } },
    create(ctx) {
      const known = new Map<string, number[]>();
      let drafts = 0;
      let drafted = 0;
      return {
        async draft({ chain, id, base, tokens, length, width, sampling, reply_to }) {
          if (drafts++ >= (script.diesAfter ?? Infinity)) {
            if (script.dies === "silent") return;
            if (script.dies === "crashes") throw new Error("the drafter has a bug");
            const error = new OrreryError({
              group: "engine",
              code: "engine_failed",
              message: "no draft model",
            });
            return await ctx.tell(reply_to, {
              type: "undrafted",
              chain,
              id,
              error: error.toWire(),
            });
          }
          const all = [...(known.get(chain) ?? []).slice(0, base), ...tokens];
          if (all.length !== base + tokens.length) {
            throw new Error(`the drafter does not know ${base} tokens`);
          }
          known.set(chain, all);
          const truth = told
            ? Array.from({ length }, (_, i) => told.token(all.length + i))
            : toyTokens(
              all,
              length,
              sampling,
              grammar &&
                ((drawn, answer) =>
                  grammar.choose(drawn, [
                    ...all.slice(grammar.promptTokens ?? prompt.length),
                    ...answer,
                  ])),
              { window: script.window },
            );
          const said = truth.map((t) => script.right(drafted++) ? t : (t + 1) % vocab);
          const alternatives = said.map((t, i): [number, number][] =>
            script.alternatives && width > 1 ? [[t, 0.5], [truth[i], 0.4]] : [[t, 0.5]]
          );
          if (script.ms) {
            await new Promise<void>((resolve) => ctx.after(script.ms! * length, resolve));
          }
          await ctx.tell(reply_to, {
            type: "drafted",
            chain,
            id,
            tokens: Int32Array.from(said),
            chances: Float32Array.from(said, () => script.chance ?? 0.5),
            alternatives,
            compute_ms: (script.ms ?? 1) * length,
          });
        },
        close: ({ chain }) => void known.delete(chain),
      };
    },
  });
}

/**
 * `stages` nodes s0.. with a stage each, a node `draft` with the drafter, a node `api` with arbiter
 * and generations.
 */
export function world(options: GenerationWorldOptions = {}) {
  const { stages = 2, seed = 1, codec = plainCodec, frameMs = (rows: number) => 10 + rows } =
    options;
  const sim = new Simulation({ seed, latencyMs: options.latencyMs });
  const nodeAt = (name: string) =>
    sim.node(name, directory, { telemetry: options.telemetry?.(name) });
  /** Nodes of the stages and shards that have moved, by their first node. */
  const places = new Map<string, string>();
  const placeOf = (first: string) => places.get(first) ?? first;
  const directory = directoryOf((a) =>
    a.endsWith("/stage/solo")
      ? "whole"
      : a.includes("/stage/")
      ? placeOf(`s${a.split("/")[2]}`)
      : a.includes("/head/")
      ? placeOf(`h${a.split("/")[2]}`)
      : a.includes("/drafter/")
      ? "draft"
      : "api"
  );
  const shards = options.shards ?? 0;
  const bounds = headBounds(TOY_VOCAB);
  const head = evenHead(Array.from({ length: shards }, (_, i) => `h${i}`)).map((share) => ({
    first: bounds[share.first_part],
    tokens: bounds[share.last_part + 1] - bounds[share.first_part],
  }));
  const shardAt = (node: string, i: number) => {
    const system = nodeAt(node);
    system.register(headActor, {
      config: headActor.config.parse({}),
      resources: () => ({ engine: () => Promise.resolve(new ToyHead(sim.clock, head[i])) }),
    });
    return system;
  };
  const shardSystems = head.map((_, i) => shardAt(`h${i}`, i));
  const engines: ToyEngine[][] = [];
  const ranges = evenSplit(LAYERS, stages);
  const stageAt = (node: string, i: number) => {
    const range = ranges[i];
    const system = nodeAt(node);
    system.register(stageActor, {
      config: stageActor.config.parse({}),
      resources: () => ({
        engine: () => {
          const engine = new ToyEngine(sim.clock, { ...range, layers: LAYERS }, 1, {
            frameMs: (rows, now) => frameMs(rows, now, i),
            ...(shards > 0 && { head }),
            vocab: options.script?.vocab,
            window: options.windowed?.window,
          });
          engines[i].push(engine);
          if (options.script) follow(engine, options.script.token);
          if (options.outdated) forgetStrict(engine);
          return Promise.resolve(engine);
        },
      }),
    });
    return system;
  };
  const systems = ranges.map((_, i) => {
    engines.push([]);
    return stageAt(`s${i}`, i);
  });
  const wholes: ToyEngine[] = [];
  const whole = nodeAt("whole");
  if (options.solo) {
    const { frameMs, fails } = options.solo;
    whole.register(stageActor, {
      config: stageActor.config.parse({}),
      resources: () => ({
        engine: () => {
          if (fails) return Promise.reject(fails);
          const range = { first: 0, last: LAYERS - 1, layers: LAYERS };
          const window = options.windowed?.window;
          const engine = new ToyEngine(sim.clock, range, 1, { frameMs, window });
          wholes.push(engine);
          return Promise.resolve(engine);
        },
      }),
    });
  }
  const draft = nodeAt("draft");
  if (options.drafter) {
    draft.register(toyDrafter(options.drafter, options), { config: {} });
  }
  const api = nodeAt("api");
  api.register(generationActor, {
    config: generationActor.config.parse({ silenceMs: options.silenceMs ?? 5_000 }),
    resources: () => ({
      codec,
      outline: options.outline ?? (() => undefined),
      answers: options.answers,
      ...(options.grammar && { grammar: toyWalk(options.grammar, sim.clock) }),
    }),
  });
  const shape = shapeSchema.parse({});
  api.register(arbiterActor, {
    config: arbiterActor.config.parse({ silenceMs: options.silenceMs ?? 5_000 }),
    resources: (to) => ({
      pipeline: {
        stages: to === SOLO_ARBITER
          ? [stageAddress("d", SOLO)]
          : Array.from({ length: stages }, (_, i) => stageAddress("d", i)),
        heads: to === SOLO_ARBITER ? [] : head.map((_, i) => headAddress("d", i)),
        shape,
        windowed: options.windowed,
        capacity_rows: 4096,
      },
    }),
  });
  const startOf = (key: string, more: Record<string, unknown> = {}) => ({
    type: "start",
    prompt,
    max_tokens: 20,
    sampling: samplingSchema.parse({}),
    stop: [],
    eos: [],
    arbiter: ARBITER,
    stages,
    nodes: stages,
    ...(options.solo && {
      solo: {
        arbiter: SOLO_ARBITER,
        stage: stageAddress("d", SOLO),
        nodes: 1,
        shared: false,
      },
    }),
    context: 4096,
    shape,
    ...(options.grammar && { constrained: true, vocab: TOY_VOCAB, eos: [options.grammar.eos] }),
    ...(options.drafter && { drafter: DRAFTER }),
    mode: "plain",
    pieces: [16],
    client: address("d", "client", key),
    ...more,
  });
  const start = async (key: string, more: Record<string, unknown> = {}): Promise<Inbox> => {
    const inbox = api.inbox(address("d", "client", key), { capacity: 4 });
    await sim.until(api.tell(address("d", "generation", key), startOf(key, more)));
    return inbox;
  };
  const answer = async (key: string, more: Record<string, unknown> = {}): Promise<Outcome> =>
    await sim.until(read(await start(key, more)));
  /** A node on which a stage (`s1`) or shard (`h0`) is loaded, which is not there yet. */
  const backup = async (name: string): Promise<string> => {
    const [stage, i] = [name[0] === "s", Number(name.slice(1))];
    const node = `${name}-${++backups}`;
    const system = stage ? stageAt(node, i) : shardAt(node, i);
    (stage ? systems : shardSystems)[i] = system;
    const to = stage ? stageAddress("d", i) : headAddress("d", i);
    await system.askHere(to, { type: "warm" });
    return node;
  };
  /**
   * Lets stages and shards go on at other nodes, while requests run. Their nodes end them, or `lost`:
   * are lost before. `betweenMs`: until the arbiter hears of it.
   */
  const move = async (
    names: readonly string[],
    { lost = false, betweenMs = 0 }: { lost?: boolean; betweenMs?: number } = {},
  ): Promise<void> => {
    const before = names.map((name) =>
      (name[0] === "s" ? systems : shardSystems)[Number(name.slice(1))]
    );
    if (lost) {
      for (const name of names) sim.crash(placeOf(name));
      const error = new OrreryError({ group: "cluster", code: "node_lost", message: "it is gone" });
      await api.tell(ARBITER, { type: "lost", error: error.toWire(), held: true });
    }
    const nodes = await Promise.all(names.map(backup));
    for (const [k, name] of names.entries()) {
      places.set(name, nodes[k]);
      const to = name[0] === "s"
        ? stageAddress("d", Number(name.slice(1)))
        : headAddress("d", Number(name.slice(1)));
      // It fails where no frame has come to that node yet.
      if (!lost) void before[k].askHere(to, { type: "retire", moved: true }).catch(() => {});
    }
    await new Promise<void>((resolve) => void sim.clock.after(betweenMs, resolve));
    const indices = (kind: string) =>
      names.filter(([first]) => first === kind).map((name) => Number(name.slice(1)));
    await api.tell(ARBITER, { type: "replaced", stages: indices("s"), heads: indices("h") });
  };
  let backups = 0;
  const arbiter = () => sim.until(api.ask(ARBITER, { type: "stats" })) as Promise<ArbiterStats>;
  /** Generations that are active. */
  const generations = () => api.status().filter((a) => a.address.includes("/generation/"));
  return {
    sim,
    api,
    draft,
    whole,
    systems,
    engines,
    wholes,
    start,
    startOf,
    answer,
    move,
    arbiter,
    generations,
  };
}

/** Makes an engine choose its tokens by their positions alone. */
function follow(engine: ToyEngine, token: (position: number) => number): void {
  const run = engine.run.bind(engine);
  engine.run = async (frame) => {
    const output = await run(frame);
    if (output.kind !== "tokens") return output;
    const tokens = output.tokens.map((chosen, i) => ({
      ...chosen,
      token: token(frame.positions[frame.want[i]] + 1),
    }));
    return { ...output, tokens };
  };
}

/** Makes an engine one of a program that knows no strict samplers: it refuses their rows. */
function forgetStrict(engine: ToyEngine): void {
  const run = engine.run.bind(engine);
  const strict = new Set<number>();
  engine.run = async (frame) => {
    for (const { id } of frame.strict_samplers ?? []) strict.add(id);
    const output = await run(frame);
    if (output.kind !== "tokens") return output;
    const failed = { code: "no_sampler", message: "a sampler that is not known" };
    const tokens = output.tokens.map((token, i) =>
      strict.has(frame.want_samplers[i]) ? { ...token, failed } : token
    );
    return { ...output, tokens };
  };
}

/** Reads a client's messages to the end. */
export async function read(inbox: Inbox): Promise<Outcome> {
  const outcome: Outcome = {
    tokens: [],
    text: "",
    deltas: [],
    order: [],
    type: "",
    done: undefined!,
    error: undefined!,
  };
  for (;;) {
    const m = await inbox.next();
    outcome.order.push(m!.type);
    if (m!.type === "prompt") {
      outcome.scores = (m!.body as { tokens: SpelledToken[] }).tokens;
      continue;
    }
    if (m!.type === "delta") {
      const delta = m!.body as Delta;
      outcome.deltas.push(delta);
      outcome.text += delta.text;
      for (const t of delta.tokens) outcome.tokens.push(t.token);
      continue;
    }
    inbox.close();
    if (m!.type === "done") return { ...outcome, type: "done", done: m!.body as Done };
    return { ...outcome, type: m!.type, error: (m!.body as { error: WireError }).error };
  }
}
