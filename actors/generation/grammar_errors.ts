/**
 * Why an answer cannot be held to its grammar.
 *
 * @module
 */
import { OrreryError } from "../system/mod.ts";

/** The grammar contradicts itself, or what its mask let pass. */
export function grammarBroken(why: string): OrreryError {
  return new OrreryError({
    group: "engine",
    code: "grammar_broken",
    message:
      `the answer's grammar cannot be followed: ${why}; report this with the grammar or schema`,
  });
}

/** The walk of the grammar has not answered for too long. */
export function grammarSilent(silenceMs: number): OrreryError {
  return new OrreryError({
    group: "engine",
    code: "grammar_silent",
    message: `the answer's grammar said nothing for ${silenceMs} ms; ` +
      "simplify the schema or grammar, or send the request again",
    metadata: { silence_ms: silenceMs },
  });
}

/** A stage would let tokens pass that the request's masks refuse. */
export function stagesOutdated(): OrreryError {
  return new OrreryError({
    group: "engine",
    code: "stages_outdated",
    message:
      "a node of this deployment runs an earlier version of the program, which cannot hold " +
      "an answer to a grammar; bring every node up to date",
  });
}
