/**
 * A model that says what a test wants, served as a real one is: its own tokenizer and chat template, a
 * gateway, generation, arbiter and stage. Only what the engine computes is scripted.
 *
 * @module
 */
import { join } from "node:path";
import {
  ActorSystem,
  type Clock,
  type Deployment,
  LocalNetwork,
  shapeSchema,
  stageActor,
  systemClock,
} from "../../actors/mod.ts";
import { ModelStore } from "../../models/mod.ts";
import { ClusterDirectory } from "../../runtime/cluster/mod.ts";
import { Admission, Gateway, ServedModel } from "../../runtime/serve/mod.ts";
import { TINY_SPECIALS, TINY_TOKENS, writeTinyCheckpoint } from "./tiny_checkpoint.ts";
import { ToyEngine } from "./toy_engine.ts";

/** Options of {@linkcode scriptedModel}. */
export interface ScriptedModelOptions {
  /** An empty folder for its files. */
  dir: string;
  /** Its chat template, which ends a prompt with `<|assistant|>` and `opens`. */
  template: string;
  /** What the template writes after `<|assistant|>`. @default nothing */
  opens?: string;
  /** Special tokens beside those of the tiny tokenizer. @default none */
  specials?: readonly string[];
  /** What it says to a prompt, special tokens written out; then it ends. */
  says: (prompt: string) => string;
}

const END = TINY_SPECIALS.indexOf("<|end|>");
const ASSISTANT = TINY_SPECIALS.indexOf("<|assistant|>");
const NODE = "scripted";
/** Rows of the embedding, some without a token. */
const VOCAB = 320;

/** A gateway that serves such a model. */
export async function scriptedModel(options: ScriptedModelOptions): Promise<Gateway> {
  const { template, opens = "", specials = [], says } = options;
  const source = join(options.dir, "source");
  await writeTinyCheckpoint(source, {
    layers: 1,
    hidden: 8,
    heads: 1,
    kvHeads: 1,
    intermediate: 8,
    vocab: VOCAB,
    context: 16_384,
  });
  await edit(join(source, "tokenizer.json"), (json) => {
    for (const [i, content] of specials.entries()) {
      (json.added_tokens as unknown[]).push({
        ...{ id: TINY_TOKENS + i, content, special: true, normalized: false },
        ...{ single_word: false, lstrip: false, rstrip: false },
      });
    }
  });
  await edit(join(source, "tokenizer_config.json"), (json) => {
    json.chat_template = template;
    json.additional_special_tokens = [...TINY_SPECIALS.slice(2), ...specials];
  });
  const store = await ModelStore.open(join(options.dir, "store"));
  const stored = await store.add(source, { precision: "f32" });
  const [model, tokenizer] = [await ServedModel.open(stored), await stored.tokenizer()];
  const opened = tokenizer.encode(opens, { addSpecialTokens: false }).length;
  const answers = new Map<number, number[]>();
  const next = (tokens: number[]): number => {
    const begin = tokens.lastIndexOf(ASSISTANT) + 1 + opened;
    // Telling prompts apart by their text would take longer than all the rest.
    let key = begin;
    for (let i = 0; i < begin; i++) key = Math.imul(key, 31) + tokens[i] | 0;
    let answer = answers.get(key);
    if (!answer) {
      const prompt = tokenizer.decode(tokens.slice(0, begin), { skipSpecialTokens: false });
      answer = tokenizer.encode(says(prompt), { addSpecialTokens: false });
      answers.set(key, answer);
    }
    return answer[tokens.length - begin] ?? END;
  };
  const directory = new ClusterDirectory(NODE);
  const system = new ActorSystem({
    transport: new LocalNetwork().connect(NODE),
    directory,
    clock: systemClock,
    random: Math.random,
  });
  const gateway = new Gateway({ system, admission: new Admission({ active: 8, queued: 64 }) });
  const atOnce: Clock = { now: () => 0, after: (_ms, run) => (queueMicrotask(run), () => {}) };
  const engine = new ToyEngine(atOnce, { first: 0, last: 0, layers: 1 }, 0, {
    next,
    vocab: VOCAB,
  });
  system.register(stageActor, {
    config: stageActor.config.parse({}),
    resources: () => ({ engine: () => Promise.resolve(engine) }),
  });
  gateway.register();
  const deployment: Deployment = {
    id: "d",
    model: "scripted",
    source: NODE,
    stages: [{ node: NODE, first: 0, last: 0 }],
    members: [],
    shape: shapeSchema.parse({}),
  };
  directory.learn(deployment);
  gateway.serve({ model, deployment }, "");
  return gateway;
}

/** Rewrites a JSON file. */
async function edit(path: string, change: (json: Record<string, unknown>) => void): Promise<void> {
  const json = JSON.parse(await Deno.readTextFile(path));
  change(json);
  await Deno.writeTextFile(path, JSON.stringify(json));
}
