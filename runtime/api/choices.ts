/**
 * Runs the generations of one request side by side and merges their events into one stream.
 *
 * @module
 */
import type { ApiChoice } from "./dialect.ts";
import type { GenerationEvent, Generator } from "./generator.ts";

/** An event of one choice. */
export interface ChoiceEvent {
  /** Number of the choice within the request, from 0. */
  index: number;
  event: GenerationEvent;
}

/** Generations of one request that run at the same time; further ones wait for these. */
const MOST_AT_ONCE = 8;

/**
 * Runs the choices, at most {@linkcode MOST_AT_ONCE} at once, and yields their events as they
 * arrive; where several choices have events ready, they take turns. The first error ends all
 * choices and is thrown. An abort of `signal` ends them too (its reason is thrown), and so does
 * leaving the loop.
 */
export async function* runChoices(
  generator: Generator,
  choices: ApiChoice[],
  signal: AbortSignal,
): AsyncGenerator<ChoiceEvent, void> {
  const own = new AbortController();
  const either = AbortSignal.any([signal, own.signal]);
  const { promise: stopped, reject: stop } = Promise.withResolvers<never>();
  stopped.catch(() => {});
  const onAbort = () => stop(signal.reason);
  signal.addEventListener("abort", onAbort);
  const running = new Map<number, {
    source: AsyncIterator<GenerationEvent>;
    next: Promise<{ index: number; result: IteratorResult<GenerationEvent> }>;
  }>();
  const advance = (index: number, source: AsyncIterator<GenerationEvent>) => {
    // Deleted first, so that the choice moves to the end of the Map's order: `Promise.race` prefers
    // earlier entries, and the choice that has just had an event must not have the next one too.
    running.delete(index);
    running.set(index, { source, next: source.next().then((result) => ({ index, result })) });
  };
  try {
    signal.throwIfAborted();
    let begun = 0;
    while (true) {
      for (; begun < choices.length && running.size < MOST_AT_ONCE; begun++) {
        advance(begun, generator.generate(choices[begun].request, either)[Symbol.asyncIterator]());
      }
      if (running.size === 0) return;
      const { index, result } = await Promise.race([
        stopped,
        ...[...running.values()].map(({ next }) => next),
      ]);
      if (result.done) {
        running.delete(index);
        continue;
      }
      advance(index, running.get(index)!.source);
      yield { index, event: result.value };
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    own.abort();
    for (const { source, next } of running.values()) {
      next.catch(() => {});
      source.return?.().catch(() => {});
    }
  }
}
