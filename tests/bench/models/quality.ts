// deno-lint-ignore-file no-console
/**
 * Measures the embedded model's quality at each precision: perplexity over its corpus, and greedy
 * agreement with f32.
 *
 * @module
 */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import {
  type ChatTemplate,
  ModelStore,
  PRECISIONS,
  type StoredModel,
  type Tokenizer,
} from "../../../models/mod.ts";
import { StageChain } from "../../oracle/stages.ts";

const MODELS = new URL("../../../models/", import.meta.url);
const DOMAINS = ["computing", "home", "living", "nature"];
const CAPACITY = 512;
const MAX_NEW = 200;

export interface CorpusTopic {
  question: string;
  answer: string;
}

/** Ids of a text, and how many of them are the prompt. */
export interface Tokens {
  all: number[];
  prompt: number;
}

/** Quality of one precision. */
interface Score {
  perplexity: number;
  /** Share of tokens, 0 to 1, that equal f32's, each after f32's own tokens. */
  sameTokens: number;
  /**
   * Share of answers, 0 to 1, all of whose tokens do: without f32's tokens they would be the same.
   */
  sameAnswers: number;
}

/** Measures and prints the table. `quick` takes fewer texts. */
export async function printQuality(storeDir: string, quick: boolean): Promise<void> {
  const store = await ModelStore.open(storeDir);
  const embedded = fileURLToPath(new URL("embedded/target", MODELS));
  const topics = await readTopics();
  const every = (step: number) => topics.filter((_, i) => i % step === 0);
  const base = await store.add(embedded, { name: "f32", precision: "f32" });
  const [tokenizer, template] = [await base.tokenizer(), await base.chatTemplate()];
  const texts = every(quick ? 20 : 3).map((topic) => encode(tokenizer, template, topic, base));
  const asked = every(quick ? 30 : 6).map((topic) => encode(tokenizer, template, topic, base));
  const answers = await greedyAnswers(base, asked);
  console.log(
    `\nembedded model: perplexity over ${texts.length} answers of its corpus, greedy agreement with f32 over ` +
      `${answers.length} answers to held-out questions`,
  );
  const row = (cells: string[]) => console.log(cells.map((cell) => cell.padStart(15)).join(""));
  row(["precision", "bytes", "perplexity", "same tokens", "same answers"]);
  for (const precision of [...PRECISIONS].reverse()) {
    const model = await store.add(embedded, { name: precision, precision });
    const { embedding, layers, head } = model.manifest;
    const bytes = [embedding, ...layers, head].reduce((sum, group) => sum + group.bytes, 0);
    const { perplexity, sameTokens, sameAnswers } = await score(model, texts, answers);
    row([
      precision,
      String(bytes),
      perplexity.toFixed(4),
      percent(sameTokens),
      percent(sameAnswers),
    ]);
  }
}

export async function readTopics(): Promise<CorpusTopic[]> {
  const lines = async (name: string) =>
    (await readFile(new URL(`training/corpus/${name}.jsonl`, MODELS), "utf8")).trim().split("\n")
      .map((line) => JSON.parse(line));
  const leads = new Map(
    (await lines("wordings")).map(({ id, lead }): [string, string] => [id, lead]),
  );
  const topics = (await Promise.all(DOMAINS.map(lines))).flat();
  return topics.map(({ id, heldout, answer }) => ({
    question: heldout[0],
    answer: `${leads.get(id)} ${answer}`,
  }));
}

export function encode(
  tokenizer: Tokenizer,
  template: ChatTemplate,
  topic: CorpusTopic,
  { manifest }: StoredModel,
): Tokens {
  const ids = (text: string) => tokenizer.encode(text, { addSpecialTokens: false });
  const prompt = ids(template.render([{ role: "user", content: topic.question }]));
  const all = [...prompt, ...ids(topic.answer), manifest.eos_tokens[0]];
  return { all, prompt: prompt.length };
}

export const openWhole = ({ manifest, blobsDir }: StoredModel) =>
  StageChain.open(manifest, [[0, manifest.geometry.layers - 1]], {
    blobDir: blobsDir,
    capacity: CAPACITY,
  });

export const rowsOf = (tokens: number[], base: number) =>
  tokens.map((token, i) => ({ token, position: base + i, parent: base + i - 1 }));

async function greedyAnswers(model: StoredModel, asked: Tokens[]): Promise<Tokens[]> {
  const { eos_tokens } = model.manifest;
  await using chain = await openWhole(model);
  const answers: Tokens[] = [];
  for (const { all, prompt } of asked) {
    const tokens = all.slice(0, prompt);
    let { logits } = await chain.run(rowsOf(tokens, 0), [prompt - 1], 0);
    for (;;) {
      const next = best(logits);
      tokens.push(next);
      if (eos_tokens.includes(next) || tokens.length >= prompt + MAX_NEW) break;
      ({ logits } = await chain.run(rowsOf([next], tokens.length - 1), [0]));
    }
    answers.push({ all: tokens, prompt });
  }
  return answers;
}

async function score(model: StoredModel, texts: Tokens[], answers: Tokens[]): Promise<Score> {
  const { vocab } = model.manifest.geometry;
  await using chain = await openWhole(model);
  async function* predictions({ all, prompt }: Tokens) {
    const want = Array.from({ length: all.length - prompt }, (_, i) => prompt - 1 + i);
    const { logits } = await chain.run(rowsOf(all.slice(0, -1), 0), want, 0);
    for (const [i, row] of want.entries()) {
      yield { token: all[row + 1], logits: logits.subarray(i * vocab, (i + 1) * vocab) };
    }
  }
  let [surprise, count] = [0, 0];
  for (const text of texts) {
    for await (const { token, logits } of predictions(text)) {
      surprise -= logProbability(logits, token);
      count++;
    }
  }
  let [same, total, whole] = [0, 0, 0];
  for (const answer of answers) {
    let equal = 0;
    for await (const { token, logits } of predictions(answer)) if (best(logits) === token) equal++;
    const length = answer.all.length - answer.prompt;
    same += equal;
    total += length;
    if (equal === length) whole++;
  }
  return {
    perplexity: Math.exp(surprise / count),
    sameTokens: same / total,
    sameAnswers: whole / answers.length,
  };
}

export function best(logits: Float32Array): number {
  let at = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i] > logits[at]) at = i;
  return at;
}

function logProbability(logits: Float32Array, token: number): number {
  const most = logits[best(logits)];
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - most);
  return logits[token] - most - Math.log(sum);
}

const percent = (share: number) => `${(100 * share).toFixed(2)} %`;
