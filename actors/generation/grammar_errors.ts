/**
 * Why an answer cannot be held to its grammar, or a row has no result.
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

/**
 * A row for which nothing could be chosen. `strict`: a stage that does not know the row's sampler is of
 * an earlier program.
 */
export function rowFailed(
  { code, message }: { code: string; message: string },
  { strict }: { strict: boolean },
): OrreryError {
  if (strict && code === "no_sampler") return stagesOutdated();
  return new OrreryError({ group: "engine", code, message });
}

/** A stage does not know what the request needs: masks, given tokens or hidden states. */
function stagesOutdated(): OrreryError {
  return new OrreryError({
    group: "engine",
    code: "stages_outdated",
    message: "a node of this deployment runs an earlier version of the program, which knows no " +
      "grammars, log-probabilities of prompts or embeddings; bring every node up to date",
  });
}
