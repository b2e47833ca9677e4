/**
 * Grammars over the toy model's tokens, and walks of them.
 *
 * @module
 */
import { type Clock, type GrammarStep, type GrammarWalk, OrreryError } from "../../actors/mod.ts";
import { TOY_VOCAB, toyChoice } from "./toy_engine.ts";

/** A language of token sequences. */
export interface ToyGrammar {
  /** Token that ends a sentence. */
  eos: number;
  /** Tokens of the prompts with which it is used. @default those of the world's prompt */
  promptTokens?: number;
  /** Tokens that may follow; undefined: every token may. Empty: the path is no beginning of a sentence. */
  allowed(path: readonly number[]): number[] | undefined;
  /** The token of the toy model after a path, where it draws this number. */
  choose(drawn: number, path: readonly number[]): number;
}

/** Tokens that a walk names at once: a language may force tokens without an end. */
const MOST_FORCED = 100;

/** Options of {@linkcode toyWalk}. */
export interface ToyWalkOptions {
  /** Virtual milliseconds of an answer. @default 0, an answer at once */
  ms?: number;
  /** Answers after which it rejects (`rejects`) or is silent. */
  diesAfter?: number;
  dies?: "rejects" | "silent";
}

/** The grammar with this rule. */
export function toyGrammar(eos: number, allowed: ToyGrammar["allowed"]): ToyGrammar {
  return {
    eos,
    allowed,
    choose: (drawn, path) => {
      const tokens = allowed(path);
      return toyChoice(drawn, tokens && maskOf(tokens)) ?? eos;
    },
  };
}

/** Bits of these tokens. */
export function maskOf(tokens: readonly number[], vocab = TOY_VOCAB): Int32Array<ArrayBuffer> {
  const mask = new Int32Array(Math.ceil(vocab / 32));
  for (const token of tokens) mask[token >> 5] |= 1 << (token & 31);
  return mask;
}

/** A walk of a grammar, which answers in virtual time. */
export function toyWalk(
  { allowed, ms = 0, diesAfter = Infinity, dies }: ToyGrammar & ToyWalkOptions,
  clock: Pick<Clock, "after">,
  vocab = TOY_VOCAB,
): GrammarWalk {
  const keys = new Map<string, number>();
  let answers = 0;
  const allows = (path: readonly number[]) =>
    path.every((token, i) => allowed(path.slice(0, i))?.includes(token) ?? true);
  const stepAfter = (path: readonly number[]): GrammarStep => {
    const tokens = allowed(path);
    const name = tokens?.join() ?? "all";
    const key = keys.get(name) ?? keys.size;
    keys.set(name, key);
    const forced: number[] = [];
    while (forced.length < MOST_FORCED) {
      const next = allowed([...path, ...forced]);
      if (next?.length !== 1) break;
      forced.push(next[0]);
    }
    return { ...(tokens && { mask: maskOf(tokens, vocab) }), key, forced };
  };
  return {
    async steps(path, count, signal) {
      signal?.throwIfAborted();
      if (ms > 0) await new Promise<void>((resolve) => clock.after(ms, resolve));
      if (answers++ >= diesAfter) {
        if (dies === "rejects") {
          const message = "the walk has a bug";
          throw new OrreryError({ group: "engine", code: "engine_failed", message });
        }
        await new Promise(() => {});
      }
      if (path.length === 0) return [stepAfter(path)];
      const steps: GrammarStep[] = [];
      for (let end = path.length - count + 1; end <= path.length; end++) {
        if (!allows(path.slice(0, end))) break;
        steps.push(stepAfter(path.slice(0, end)));
      }
      return steps;
    },
    quick: true,
    close() {},
  };
}
