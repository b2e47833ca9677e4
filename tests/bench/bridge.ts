// deno-lint-ignore-file no-console -- its lines are its answers
/**
 * `deno task bench:bridge [--tokenizer FOLDER]...`: what is lost where a draft model has another
 * tokenizer than its target.
 *
 * - With the embedded model: drafts that were accepted, with equal tokens, with the same tokens under
 *   other ids, and with tokens that cut words elsewhere.
 * - Of each ordered pair of tokenizers: a draft that guesses the text rightly is brought back to the
 *   target's tokens; how many of these are right, and what it takes.
 *
 * @module
 */
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { openBridge, Tokenizer } from "../../models/mod.ts";
import { openPair } from "../support/embedded_pair.ts";
import { type OtherVocabulary, writeOtherVocabulary } from "../support/other_vocabulary.ts";
import { FIFTY } from "../support/prompts.ts";
import { readTopics } from "./outline/corpus.ts";
import { alignRows, describeMachine } from "./shared/figures.ts";
import { inTemporaryFolder } from "./shared/temporary_folder.ts";

const { values: args } = parseArgs({
  options: { tokenizer: { type: "string", multiple: true, default: [] } },
});

const ROOT = join(import.meta.dirname!, "..", "..");
const PROMPTS = FIFTY.slice(0, 20);
const TOKENS = 48;
const DRAFTED = 4;
/** Characters of a text before the first draft. */
const LEAD = 200;

const VOCABULARIES: Record<string, OtherVocabulary | undefined> = {
  "equal": undefined,
  "other ids": { reversed: true },
  "3/4 of the merges": { merges: 0.75 },
  "1/2 of the merges": { merges: 0.5 },
};

/** Prints how many drafts of the embedded draft model come true through each vocabulary. */
async function embeddedPair(dir: string): Promise<void> {
  const rows = [["draft model's tokens", "drafted", "accepted", "tokens a frame"]];
  for (const [name, other] of Object.entries(VOCABULARIES)) {
    const draftFolder = other && join(dir, name.replace(/\W/g, "-"));
    if (draftFolder !== undefined) await writeOtherVocabulary(draftFolder, other!);
    await using pair = await openPair(join(dir, "store"), { draftFolder });
    let [drafted, accepted, tokens] = [0, 0, 0];
    for (const prompt of PROMPTS) {
      const { tokens: answer, done: { report } } = await pair.answer(prompt, {
        ...{ mode: "speculative", draftLength: DRAFTED, draftTree: false, reuse: false },
        maxTokens: TOKENS,
      });
      drafted += report.drafted;
      accepted += report.accepted;
      tokens += answer.length;
    }
    rows.push([
      name,
      String(drafted),
      `${(100 * accepted / drafted).toFixed(1)} %`,
      (tokens / (tokens - accepted)).toFixed(2),
    ]);
  }
  console.log(`\nthe embedded pair, drafts of ${DRAFTED} tokens, ${PROMPTS.length} answers`);
  alignRows(rows, [0]).forEach((line) => console.log(line));
}

/** Prose and code. */
async function texts(): Promise<string[]> {
  const topics = (await readTopics()).filter((_, i) => i % 15 === 0);
  const files = ["planner/drafting.ts", "actors/generation/lane.ts"];
  return [
    ...topics.map(({ answer, outline }) => [answer, ...outline.map((s) => s.text)].join("\n\n")),
    ...await Promise.all(files.map((file) => Deno.readTextFile(join(ROOT, file)))),
  ];
}

/** The text of ids within a text. */
function within(tokenizer: Tokenizer, ids: readonly number[]): string {
  return Buffer.concat(ids.map((id) => tokenizer.tokenBytes(id))).toString();
}

/** What a pair of tokenizers loses, in a line of the table. */
async function pairOf(target: string, draft: string, all: readonly string[]): Promise<string[]> {
  const [of, by] = await Promise.all([target, draft].map((folder) => Tokenizer.load(folder)));
  const bridge = openBridge({ tokenizer: of, eos: [] }, { tokenizer: by, eos: [] });
  const name = `${basename(target)} <- ${basename(draft)}`;
  if (typeof bridge === "string") return [name, bridge];
  let [drafts, came, right, ms] = [0, 0, 0, 0];
  for (const text of all) {
    const tokens = of.encode(text, { addSpecialTokens: false });
    const held = bridge.open();
    const from = of.encode(text.slice(0, LEAD), { addSpecialTokens: false }).length;
    for (let at = from; at + DRAFTED < tokens.length; at += 3) {
      const before = tokens.slice(0, at);
      const began = performance.now();
      const followed = held.follow(before);
      if (!followed) continue;
      ms += performance.now() - began;
      // The draft model's tokens of what follows, as it would guess them behind those.
      const rest = within(of, tokens.slice(at, at + 4 * DRAFTED));
      const near = within(of, before.slice(-64));
      const [own, joined] = [near, near + rest].map((part) =>
        by.encode(part, { addSpecialTokens: false })
      );
      let same = 0;
      while (same < own.length && joined[same] === own[same]) same++;
      if (same < own.length) continue; // the draft model would have cut the text's end elsewhere
      const drafted = joined.slice(own.length, own.length + Math.ceil(DRAFTED * bridge.ratio) + 1);
      const again = performance.now();
      const back = held.back({ tokens: drafted, chances: drafted.map(() => 1) });
      ms += performance.now() - again;
      const found = back.tokens.slice(0, DRAFTED);
      let agreed = 0;
      while (agreed < found.length && found[agreed] === tokens[at + agreed]) agreed++;
      drafts++;
      came += found.length;
      right += agreed;
    }
  }
  return [
    name,
    bridge.ratio.toFixed(2),
    (came / drafts).toFixed(2),
    `${(100 * right / came).toFixed(1)} %`,
    (1000 * ms / drafts).toFixed(0),
  ];
}

console.log(describeMachine({ load: true }));
await inTemporaryFolder(embeddedPair);
const all = await texts();
const rows = [[
  "target <- draft model",
  "tokens for one of the target's",
  `tokens of a draft of ${DRAFTED}`,
  "right",
  "microseconds",
]];
const folders = args.tokenizer;
for (const target of folders) {
  for (const draft of folders) if (draft !== target) rows.push(await pairOf(target, draft, all));
}
if (rows.length > 1) {
  console.log("\na draft model that guesses the text itself, through the bridge");
  alignRows(rows, [0]).forEach((line) => console.log(line));
}
