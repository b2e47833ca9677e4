/**
 * The thread of a grammar engine, see `grammar_worker.ts`. It has no permissions.
 *
 * @module
 */
import { OrreryError, toOrreryError } from "../../actors/system/errors.ts";
import { GrammarEngine } from "./engine.ts";
import type { FromGrammarWorker, GrammarAnswers, ToGrammarWorker } from "./protocol.ts";

/** The part of a worker's scope that the library's types do not have. */
const scope = globalThis as unknown as {
  postMessage(message: FromGrammarWorker, transfer: Transferable[]): void;
  onmessage: ((event: MessageEvent<ToGrammarWorker>) => void) | null;
};

let engine: GrammarEngine | undefined;

/** Questions are answered one after the other. */
let last: Promise<void> = Promise.resolve();

async function answer(question: ToGrammarWorker): Promise<void> {
  if (question.op === "close") return engine?.close(question.walk);
  if (question.op === "forget") return engine?.forget(question.key);
  const { id } = question;
  try {
    const value = await valueOf(question);
    const masks = "steps" in value
      ? value.steps.flatMap(({ mask }) => mask ? [mask.buffer as ArrayBuffer] : [])
      : [];
    scope.postMessage({ id, value }, masks);
  } catch (error) {
    // Nothing here is secret: the text is the engine's own.
    const told = error instanceof OrreryError ? error : new OrreryError({
      group: "engine",
      code: "grammar_failed",
      message: `the grammar engine has failed: ${toOrreryError(error).message.slice(0, 300)}`,
    });
    scope.postMessage({ id, error: told.toWire() }, []);
  }
}

async function valueOf(
  question: Exclude<ToGrammarWorker, { op: "close" | "forget" }>,
): Promise<GrammarAnswers[keyof GrammarAnswers]> {
  if (question.op === "open") {
    engine = await GrammarEngine.open(question.vocabulary);
    return { bytes: engine.bytes };
  }
  if (!engine) throw new Error("it has no vocabulary");
  if (question.op === "steps") return await engine.steps(question.walk, question);
  const begin = performance.now();
  await engine.compile(question.key, JSON.parse(question.spec));
  return { bytes: engine.bytes, ms: performance.now() - begin };
}

scope.onmessage = ({ data }) => {
  last = last.then(() => answer(data));
};
