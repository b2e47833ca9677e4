/**
 * The wanted rows of a frame on the last stage: whose tokens are chosen and by which sampler, and
 * whose hidden states are handed on.
 *
 * @module
 */
import type {
  Frame,
  FrameRows,
  NormedRow,
  RowStates,
  TokenResult,
} from "../../actors/pipeline/mod.ts";
import { OrreryError } from "../../actors/system/errors.ts";
import { engineError } from "./errors.ts";
import type { KvArena, Sampler } from "./kv_arena.ts";
import { needsHistory, occurrencesOf } from "./partial.ts";
import { type LogitsRow, sample } from "./sampler.ts";

/** Indices of the wanted rows whose tokens, and of those whose hidden states are wanted. */
export function wantedRows(
  arena: KvArena,
  { want_samplers }: FrameRows,
): { scored: number[]; stated: number[] } {
  const scored: number[] = [];
  const stated: number[] = [];
  for (const [i, id] of want_samplers.entries()) {
    (arena.samplers.get(id)?.hidden ? stated : scored).push(i);
  }
  return { scored, stated };
}

/** The rows with only these of the wanted ones. */
export function rowsOf(rows: FrameRows, wanted: readonly number[]): FrameRows {
  const pick = (values: Int32Array) => Int32Array.from(wanted, (i) => values[i]);
  return {
    ...rows,
    want: pick(rows.want),
    want_samplers: pick(rows.want_samplers),
    ...(rows.want_masks && { want_masks: pick(rows.want_masks) }),
    ...(rows.want_given && { want_given: pick(rows.want_given) }),
  };
}

/** These rows of (.., width). */
export function pickRows(
  values: Float32Array,
  rows: readonly number[],
  width: number,
): Float32Array<ArrayBuffer> {
  const picked = new Float32Array(rows.length * width);
  for (const [i, row] of rows.entries()) {
    picked.set(values.subarray(row * width, (row + 1) * width), i * width);
  }
  return picked;
}

/** The hidden state of wanted row `i`, out of those of all wanted rows. */
export function stateOf(
  arena: KvArena,
  { base, want }: FrameRows,
  { i, states, width }: { i: number; states: Float32Array; width: number },
): TokenResult {
  const slot = base + want[i];
  if (!arena.slots.isDamaged(slot)) {
    return { slot, token: 0, hidden: states.slice(i * width, (i + 1) * width) };
  }
  const { code, message } = badHidden(slot);
  return { slot, token: 0, failed: { code, message } };
}

/** Tokens and hidden states in the order of the frame's wanted rows. */
export function inOrder(tokens: TokenResult[], states: RowStates | undefined): TokenResult[] {
  if (!states) return tokens;
  const all = [...tokens];
  for (const [at, i] of states.wanted.entries()) all.splice(i, 0, states.results[at]);
  return all;
}

/**
 * Chooses the token after the row in `slot` from its logits, once the function that it returns is
 * called; where the row stands by then does not matter. Group `engine`, as the row's failure:
 * `no_sampler`, `bad_hidden`, `bad_logits`, `no_token_left`, and what the mask's function throws.
 */
export function chooser(
  arena: KvArena,
  slot: number,
  { sampler, given }: { sampler?: Sampler; given?: number },
  logits: LogitsRow,
): (mask: () => Int32Array | undefined) => TokenResult {
  const damaged = arena.slots.isDamaged(slot);
  const path = sampler && !damaged && needsHistory(sampler.sampling)
    ? arena.slots.path(slot, sampler.promptRows)
    : { tokens: new Int32Array(0), promptRows: 0 };
  const position = arena.slots.position(slot) + 1;
  return (mask) => {
    try {
      if (!sampler) {
        throw engineError(
          "no_sampler",
          `the row in slot ${slot} names a sampler that the arena does not know`,
        );
      }
      const allowed = mask();
      if (damaged) throw badHidden(slot);
      return { slot, ...sample(logits, sampler.sampling, { ...path, position, allowed, given }) };
    } catch (error) {
      if (!(error instanceof OrreryError)) throw error;
      // Only this row fails: the other rows of the frame may belong to other requests.
      return { slot, token: 0, failed: { code: error.code, message: error.message } };
    }
  };
}

/**
 * What shards of the LM head must know of each wanted row besides its normed hidden states. A
 * sampler that is not known is a shard's business, which knows the samplers too.
 */
export function normedRows(arena: KvArena, rows: FrameRows): NormedRow[] {
  return Array.from(rows.want, (row, i): NormedRow => {
    const slot = rows.base + row;
    const position = arena.slots.position(slot) + 1;
    if (arena.slots.isDamaged(slot)) {
      const { code, message } = badHidden(slot);
      return { position, failed: { code, message } };
    }
    const sampler = arena.samplers.get(rows.want_samplers[i]);
    if (!sampler || !needsHistory(sampler.sampling)) return { position };
    const path = arena.slots.path(slot, sampler.promptRows);
    return { position, occurrences: occurrencesOf(path.tokens, path.promptRows) };
  });
}

const badHidden = (slot: number) =>
  engineError(
    "bad_hidden",
    `hidden states of the row in slot ${slot}, or of a row before it, contain NaN or an ` +
      `infinity: the weights of a stage are damaged, or not made for this precision`,
  );

/** The mask with this number, -1: none. Throws `no_mask` (group `engine`) where it is not known. */
export function allowedOf(arena: KvArena, slot: number, id = -1): Int32Array | undefined {
  if (id < 0) return undefined;
  const mask = arena.masks.get(id);
  if (mask) return mask;
  throw engineError(
    "no_mask",
    `the row in slot ${slot} names mask ${id}, which the arena does not know`,
  );
}

/**
 * Drops and adds the samplers and masks that the frame says. Throws `bad_frame` (group `engine`) for a mask that
 * is none of a vocabulary of `vocab` tokens.
 */
export function noteChoices(arena: KvArena, frame: Frame, vocab: number): void {
  const { samplers = [], strict_samplers = [], drop_samplers = [] } = frame;
  for (const id of drop_samplers) arena.samplers.delete(id);
  for (const { id, sampling, prompt_rows, hidden } of [...samplers, ...strict_samplers]) {
    arena.samplers.set(id, { sampling, promptRows: prompt_rows, ...(hidden && { hidden }) });
  }
  if (!frame.masks && !frame.drop_masks) return;
  const problem = arena.masks.note(frame, vocab);
  if (problem !== undefined) throw engineError("bad_frame", problem);
}
