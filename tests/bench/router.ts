// deno-lint-ignore-file no-console
/**
 * Measures the router: `deno task bench:router [--questions FILE] [--wrong] [--model NAME --data FOLDER]`.
 *
 * It prints precision and recall of the classifier and of the rules: on the held-out questions, on
 * the training questions by cross-validation (each is judged by weights that were trained without
 * it), and on a file of your own labelled questions in the same form (`# KIND` headings, one
 * question a line). `--wrong` lists the wrong ones of that file, never those held out: whoever
 * reads them begins to tune on them. With `--model` the model of that name in the store of `--data` is
 * asked too, as the graph's `router: model` asks it (`--every 5`: each fifth question alone).
 *
 * @module
 */
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { route } from "../../actors/outline/router.ts";
import { routeByRules } from "../../actors/outline/rules.ts";
import { precisionRecall } from "./outline/score.ts";
import { openModelRouter } from "./router/by_model.ts";
import { examplesOf, fitSuited, suitedScore } from "./router/fit.ts";
import {
  type LabelledQuestion,
  parseQuestions,
  readHeldOut,
  readTraining,
} from "./router/questions.ts";

/** Parts of the training questions in cross-validation. */
const PARTS = 5;
/** Questions by which the time of a decision is measured. */
const TIMED = 400;

const { values: args } = parseArgs({
  options: {
    /** A file of labelled questions. */
    questions: { type: "string" },
    /** Lists the wrong ones of that file. */
    wrong: { type: "boolean", default: false },
    /** A model that is asked itself. @default none is */
    model: { type: "string" },
    /** Folder of the node that has it. */
    data: { type: "string" },
    /** Asks it each so many questions' first alone. */
    every: { type: "string", default: "1" },
  },
});

const every = Number(args.every);
if (!(Number.isInteger(every) && every >= 1)) {
  console.error(`--every takes a whole number from 1 on, not ${JSON.stringify(args.every)}`);
  Deno.exit(2);
}
if ((args.model === undefined) !== (args.data === undefined)) {
  console.error("--model and --data go together: the model's name, and the folder that has it");
  Deno.exit(2);
}

const heldOut = await readHeldOut();
const training = await readTraining();
console.log("precision and recall of the router: suited questions that it chooses\n");
console.log(row("questions", "number", "suited", "classifier", "rules"));
print("held out, English", heldOut.filter(({ kind }) => kind !== undefined));
print("held out, other languages", heldOut.filter(({ kind }) => kind === undefined));
print("held out, all", heldOut);
printCrossValidation();
if (args.questions !== undefined) {
  const own = parseQuestions(await readFile(args.questions, "utf8"), args.questions);
  print(args.questions, own);
  if (args.wrong) {
    for (const { question, suited } of own) {
      const { outline, why } = route(question);
      if (outline !== suited) console.log(`  ${suited ? "missed" : "taken"}: ${question}: ${why}`);
    }
  }
}
printTime();
if (args.model !== undefined) await printModel(args.model, args.data!);

function row(...cells: string[]): string {
  return cells.map((cell, i) => i === 0 ? cell.padEnd(28) : cell.padStart(14)).join("");
}

function print(name: string, questions: readonly LabelledQuestion[]): void {
  console.log(row(
    name,
    String(questions.length),
    String(questions.filter(({ suited }) => suited).length),
    figures(questions, ({ question }) => route(question).outline),
    figures(questions, ({ question }) => routeByRules(question).outline),
  ));
}

function figures<T extends { suited: boolean }>(
  questions: readonly T[],
  said: (question: T) => boolean,
): string {
  const { precision, recall } = precisionRecall(questions, said);
  return `${precision.toFixed(3)} / ${recall.toFixed(3)}`;
}

function printCrossValidation(): void {
  const examples = examplesOf(training);
  const earlier = examples.get("earlier") ?? [];
  const own = Array.from(examples).filter(([name]) => name !== "earlier").flatMap(([, of]) => of);
  const scores = new Map<LabelledQuestion, number>();
  for (let part = 0; part < PARTS; part++) {
    const trained = fitSuited([...earlier, ...own.filter((_, i) => i % PARTS !== part)]);
    for (const [i, example] of own.entries()) {
      if (i % PARTS === part) scores.set(example, suitedScore(trained, example.features));
    }
  }
  console.log(row(
    "training, cross-validated",
    String(own.length),
    String(own.filter(({ suited }) => suited).length),
    figures(own, (example) => scores.get(example)! > 0),
    figures(own, ({ question }) => routeByRules(question).outline),
  ));
}

/** What a model says when it is asked, beside the classifier on the same questions. */
async function printModel(model: string, data: string): Promise<void> {
  const own = args.questions === undefined
    ? []
    : parseQuestions(await readFile(args.questions, "utf8"), args.questions);
  await using asked = await openModelRouter(model, data);
  console.log(`\n${row("asked itself", "number", "suited", model, "neither", "classifier", "ms")}`);
  for (const [name, all] of [["held out, all", heldOut], [args.questions ?? "", own]] as const) {
    const questions = all.filter((_, i) => i % every === 0);
    if (questions.length === 0) continue;
    const said = new Map<LabelledQuestion, boolean>();
    const started = performance.now();
    let neither = 0;
    for (const each of questions) {
      const answer = await asked.ask(each.question);
      if (!answer) neither++;
      said.set(each, (answer ?? route(each.question)).outline);
    }
    console.log(row(
      name,
      String(questions.length),
      String(questions.filter(({ suited }) => suited).length),
      figures(questions, (each) => said.get(each)!),
      String(neither),
      figures(questions, ({ question }) => route(question).outline),
      ((performance.now() - started) / questions.length).toFixed(0),
    ));
  }
}

function printTime(): void {
  const timed = heldOut.slice(0, TIMED);
  const started = performance.now();
  for (const { question } of timed) route(question);
  const ms = (performance.now() - started) / timed.length;
  console.log(`\n${(1000 * ms).toFixed(0)} µs a decision on this machine`);
}
