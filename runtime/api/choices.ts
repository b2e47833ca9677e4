/**
 * Runs the generations of one request side by side and merges their events into one stream.
 *
 * @module
 */
import type { ApiChoice, ChoiceEvent } from "./dialect.ts";
import type { GenerationEvent, Generator } from "./generator.ts";

/** Generations of one request that run at the same time; further ones wait for these. */
const MOST_AT_ONCE = 8;

/** How a choice went on: an event, or its end, or why it failed. */
interface ChoiceStep {
  index: number;
  result?: IteratorResult<GenerationEvent>;
  error?: unknown;
}

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
  const running = new Map<number, AsyncIterator<GenerationEvent>>();
  // A race of promises would add a reaction to the promise of the abort for each event of the
  // answer, and keep all of them until its end.
  const steps: ChoiceStep[] = [];
  let wake = () => {};
  const arrived = (step: ChoiceStep) => {
    steps.push(step);
    wake();
  };
  const onAbort = () => wake();
  signal.addEventListener("abort", onAbort);
  const advance = (index: number, source: AsyncIterator<GenerationEvent>) =>
    void source.next().then(
      (result) => arrived({ index, result }),
      (error) => arrived({ index, error }),
    );
  try {
    let begun = 0;
    while (true) {
      signal.throwIfAborted();
      for (; begun < choices.length && running.size < MOST_AT_ONCE; begun++) {
        const source = generator.generate(choices[begun].request, either)[Symbol.asyncIterator]();
        running.set(begun, source);
        advance(begun, source);
      }
      if (running.size === 0) return;
      const step = steps.shift();
      if (!step) {
        await new Promise<void>((resolve) => wake = resolve);
        continue;
      }
      const { index, result } = step;
      if (!result) throw step.error;
      if (result.done) {
        running.delete(index);
        continue;
      }
      // A choice is asked for its next event when it has had its turn, so it stands behind the
      // others that have events ready.
      advance(index, running.get(index)!);
      yield { index, event: result.value };
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    own.abort();
    for (const source of running.values()) source.return?.().catch(() => {});
  }
}
