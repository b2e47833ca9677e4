/**
 * Runs prompts through the pipeline for their hidden states after the final norm, and pools them.
 *
 * @module
 */
import {
  type ActorSystem,
  type Address,
  arbiterActor,
  type Inbox,
  OrreryError,
  resultsSchema,
  rowFailed,
  samplingSchema,
  type WireError,
} from "../../actors/mod.ts";

/** How the hidden states of a prompt's rows become one vector. */
export type Pooling = "mean" | "last";

/** Milliseconds in which the arbiter must take that a prompt begins, or that it is over. */
const ARBITER_MS = 10_000;
/** Messages of results that may wait to be taken in. */
const INBOX = 64;

/** Options of {@linkcode embedPrompt}. */
export interface EmbedPromptOptions {
  /** Address of the arbiter of the deployment's pipeline. */
  arbiter: Address;
  /** The address at which results are taken in, nobody else's. */
  self: Address;
  pooling: Pooling;
  signal: AbortSignal;
}

/**
 * The vector of a prompt (token ids, at least one), f32 (hidden): the mean over all rows, summed in
 * f64 in their order, or the last row. Throws what the arbiter or a stage says (groups `engine`,
 * `actor`, `cluster`), `stages_outdated` where a stage knows no such requests, and the signal's
 * reason.
 */
export async function embedPrompt(
  system: Pick<ActorSystem, "at" | "inbox">,
  prompt: Int32Array<ArrayBuffer>,
  { arbiter: address, self, pooling, signal }: EmbedPromptOptions,
): Promise<Float32Array<ArrayBuffer>> {
  using inbox = system.inbox(self, { capacity: INBOX });
  const arbiter = system.at(arbiterActor, address);
  try {
    await arbiter.tell.open({
      generation: self,
      prompt,
      sampling: samplingSchema.parse({}),
      max_rows: prompt.length,
      reuse: pooling === "last",
      strict: true,
      hidden: pooling === "last" ? "last" : "all",
    }, { signal, deadlineMs: ARBITER_MS });
    return await pooled(inbox, { rows: prompt.length, pooling, signal });
  } finally {
    // An arbiter that is gone has lost the request.
    await arbiter.close({ generation: self }, { deadlineMs: ARBITER_MS }).catch(() => {});
  }
}

/**
 * The vectors of prompts, as many of them at once as there are addresses in `selves`, so that they
 * share frames. The first failure ends them all and is thrown.
 */
export async function embedPrompts(
  system: Pick<ActorSystem, "at" | "inbox">,
  prompts: readonly Int32Array<ArrayBuffer>[],
  { selves, signal, ...options }: Omit<EmbedPromptOptions, "self"> & {
    selves: readonly Address[];
  },
): Promise<Float32Array<ArrayBuffer>[]> {
  const vectors: Float32Array<ArrayBuffer>[] = [];
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  let next = 0;
  await Promise.allSettled(selves.map(async (self) => {
    try {
      while (next < prompts.length) {
        const at = next++;
        either.throwIfAborted();
        vectors[at] = await embedPrompt(system, prompts[at], { ...options, self, signal: either });
      }
    } catch (error) {
      failed.abort(error); // the reason of all others, too
      throw error;
    }
  }));
  signal.throwIfAborted();
  if (failed.signal.aborted) throw failed.signal.reason;
  return vectors;
}

/** Takes hidden states in until all have come. */
async function pooled(
  inbox: Inbox,
  { rows, pooling, signal }: { rows: number; pooling: Pooling; signal: AbortSignal },
): Promise<Float32Array<ArrayBuffer>> {
  /** States that came before one of an earlier row. */
  const early = new Map<number, Float32Array>();
  let next = pooling === "last" ? rows - 1 : 0;
  const first = next;
  let sum = new Float64Array(0);
  for (;;) {
    const message = await inbox.next(signal);
    if (!message) throw new DOMException("the inbox was closed", "AbortError");
    if (message.type === "failed") {
      throw OrreryError.fromWire((message.body as { error: WireError }).error);
    }
    for (const { row, hidden, failed } of resultsSchema.parse(message.body).results) {
      if (failed) throw rowFailed(failed, { strict: true });
      if (hidden) early.set(row, hidden);
    }
    for (let state = early.get(next); state; state = early.get(next)) {
      if (sum.length === 0) sum = new Float64Array(state.length);
      for (let i = 0; i < sum.length; i++) sum[i] += state[i];
      early.delete(next++);
    }
    if (next === rows) return Float32Array.from(sum, (value) => value / (rows - first));
  }
}
