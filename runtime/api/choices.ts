/**
 * Several generations as one stream of events.
 *
 * @module
 */
import type { Choice } from "./dialect.ts";
import type { GenerationEvent, Generator } from "./generator.ts";

/** An event of choice `index`. */
export interface ChoiceEvent {
  index: number;
  event: GenerationEvent;
}

/** Generations of one request that run at once; further ones wait for these. */
const parallel = 8;

/**
 * Runs the choices, at most {@linkcode parallel} at once, and yields their events as they come,
 * taking turns. The first error ends all; so do an abort of `signal` (rejects with its reason) and
 * leaving the loop.
 */
export async function* runChoices(
  generator: Generator,
  choices: Choice[],
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
    // Deleted first: a Map keeps the order of insertion, and the one that spoke last is asked last.
    running.delete(index);
    running.set(index, { source, next: source.next().then((result) => ({ index, result })) });
  };
  try {
    signal.throwIfAborted();
    let begun = 0;
    while (true) {
      for (; begun < choices.length && running.size < parallel; begun++) {
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
