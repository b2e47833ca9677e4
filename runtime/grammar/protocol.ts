/**
 * What a node and its grammar worker say to each other. Both are parts of this program: messages
 * are typed, not validated.
 *
 * @module
 */
import type { GrammarStep, WireError } from "../../actors/mod.ts";
import type { Vocabulary } from "../../models/mod.ts";

/** What the worker is asked. Each is answered by a {@linkcode FromGrammarWorker} with its `id`. */
export type GrammarQuestion =
  /** The first question: takes the vocabulary. */
  | { op: "open"; vocabulary: Vocabulary }
  /** Compiles a constraint (`spec`, as JSON) and keeps it by `key`; a constraint that is kept is not compiled again. */
  | { op: "compile"; key: string; spec: string }
  /**
   * Steps of the walk `walk` through the grammar `key`, which begins with its first question. The
   * walk's tokens are its first `keep` ones and then `tail`; the last `count` states are asked for.
   */
  | { op: "steps"; walk: number; key: string; keep: number; tail: number[]; count: number };

/** What the worker is told; it does not answer. */
export type GrammarNotice =
  /** Frees a walk. */
  | { op: "close"; walk: number }
  /** Frees a compiled grammar that no walk goes through. */
  | { op: "forget"; key: string };

/** A message to the worker. */
export type ToGrammarWorker = (GrammarQuestion & { id: number }) | GrammarNotice;

/** What a question resolves to. */
export interface GrammarAnswers {
  /** Bytes of the engine's memory. */
  open: { bytes: number };
  /** Bytes of the engine's memory, and milliseconds that compiling took. */
  compile: { bytes: number; ms: number };
  /** The steps, and how many tokens of the path the walk has taken. */
  steps: { steps: GrammarStep[]; taken: number };
}

/** A message of the worker. */
export type FromGrammarWorker =
  | { id: number; value: GrammarAnswers[GrammarQuestion["op"]] }
  | { id: number; error: WireError };
