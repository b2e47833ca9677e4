/**
 * Runs the embedded target and draft model in this process: gateway, generations, arbiter, stages
 * and drafter on one node.
 *
 * @module
 */
import { join } from "node:path";
import {
  ActorSystem,
  CLUSTER,
  type Deployment,
  drafterActor,
  LocalNetwork,
  parseAddress,
  shapeSchema,
  stageActor,
  type StageEngine,
} from "../../actors/mod.ts";
import {
  buildStageGraph,
  frequentTokens,
  joinVocabularies,
  ModelStore,
  type StoredModel,
  type TokenRange,
} from "../../models/mod.ts";
import { evenSplit } from "../../planner/mod.ts";
import { Admission } from "../../runtime/serve/admission.ts";
import type { GenerateRequest, GenerationEvent } from "../../runtime/api/generator.ts";
import { systemClock } from "../../actors/mod.ts";
import { ClusterDirectory } from "../../runtime/cluster/directory.ts";
import { loadEngine } from "../../runtime/engine/mod.ts";
import { Gateway } from "../../runtime/serve/gateway.ts";
import { ServedModel } from "../../runtime/serve/served_model.ts";

const EMBEDDED = join(import.meta.dirname!, "..", "..", "models", "embedded");

/** One whole answer. */
export interface PairAnswer {
  text: string;
  tokens: number[];
  done: Extract<GenerationEvent, { type: "done" }>;
}

/** How the pair is loaded. */
export interface PairOptions {
  /** Stages of the target. @default 1 */
  stages?: number;
  /** Whether the draft model drafts. @default true */
  draft?: boolean;
  /** Tokens of the draft model's LM head. @default all */
  vocabulary?: number;
  /** Folder of another draft model's checkpoint. @default the embedded one's */
  draftFolder?: string;
}

/** Stores and loads the pair at f32; `dir` is a folder for the store. */
export async function openPair(
  dir: string,
  { stages = 1, draft = true, vocabulary, draftFolder }: PairOptions = {},
) {
  const store = await ModelStore.open(dir);
  const target = await store.add(join(EMBEDDED, "target"), { name: "embedded", precision: "f32" });
  const small = await store.add(draftFolder ?? join(EMBEDDED, "draft"), {
    name: draftFolder === undefined ? "embedded-draft" : "other-draft",
    precision: "f32",
  });
  const bridge = (await joinVocabularies(target, small))?.bridge;
  if (typeof bridge === "string") throw new Error(bridge);
  const engines: StageEngine[] = [];
  const load = async (
    { manifest, blobsDir }: StoredModel,
    { first = 0, last = manifest.geometry.layers - 1, tokens }: {
      first?: number;
      last?: number;
      tokens?: TokenRange[];
    },
  ) => {
    const graph = await buildStageGraph(manifest, {
      firstLayer: first,
      lastLayer: last,
      tokens,
      blobDir: blobsDir,
    });
    const geometry = manifest.geometry;
    const engine = await loadEngine({ graph, geometry, threads: 1, arenaBudgetBytes: 1 << 28 });
    engines.push(engine);
    return engine;
  };
  const node = "n1";
  const directory = new ClusterDirectory(node);
  const system = new ActorSystem({
    transport: new LocalNetwork().connect(node),
    directory,
    clock: systemClock,
    random: Math.random,
  });
  const gateway = new Gateway({
    system,
    admission: new Admission({ active: 8, queued: 64 }),
  });
  const { geometry } = target.manifest;
  const deployment: Deployment = {
    id: "pair",
    model: "embedded",
    source: node,
    stages: evenSplit(geometry.layers, stages).map((range) => ({ node, ...range })),
    members: [],
    shape: shapeSchema.parse({}),
    ...(draft && { draft: { node, model: "embedded-draft", source: node } }),
  };
  system.register(stageActor, {
    config: stageActor.config.parse({}),
    resources: (to) => ({
      engine: () => {
        const { first, last } = deployment.stages[Number(parseAddress(to).key)];
        return load(target, { first, last });
      },
    }),
  });
  system.register(drafterActor, {
    config: drafterActor.config.parse({}),
    resources: () => ({
      engine: async () => ({
        engine: await load(small, {
          tokens: await frequentTokens(small.dir, {
            count: vocabulary ?? geometry.vocab,
            vocab: geometry.vocab,
          }),
        }),
        endTokens: (await small.generationDefaults()).eosTokens,
        targetVocab: geometry.vocab,
        bridge,
      }),
    }),
  });
  gateway.register();
  directory.learn(deployment);
  gateway.serve({ model: await ServedModel.open(target), deployment }, "");
  const answer = async (
    question: string,
    more: Partial<GenerateRequest> = {},
  ): Promise<PairAnswer> => {
    const tokens: number[] = [];
    let text = "";
    const request: GenerateRequest = {
      model: "default",
      prompt: { kind: "chat", messages: [{ role: "user", content: question }] },
      sampling: { temperature: 0 },
      stop: [],
      ...more,
    };
    for await (const event of gateway.generate(request, new AbortController().signal)) {
      if (event.type === "delta") {
        text += event.text;
        for (const { token } of event.tokens) tokens.push(token);
      }
      if (event.type === "done") return { text, tokens, done: event };
    }
    throw new Error("the generation ended without a word");
  };
  return {
    system,
    gateway,
    engines,
    answer,
    cluster: CLUSTER,
    [Symbol.asyncDispose]: () => system.close({ deadlineMs: 5_000 }),
  };
}
