/**
 * Steps of the adding of a model as lines of JSON.
 *
 * @module
 */
import { type HttpError, toHttpError } from "./errors.ts";
import type { PullStep } from "./pull_service.ts";

/** The content type of lines of JSON. */
export const LINES_TYPE = "application/x-ndjson";

/** Options of {@linkcode stepLines}. */
export interface StepLinesOptions {
  /** Called once nobody takes steps any more; where the client has gone, before the steps end. */
  end: () => void;
  /** The last line, where the work fails. */
  errorLine: (error: HttpError) => unknown;
}

/** The step that has been taken already, and those that follow, a line each. */
export function stepLines(
  first: IteratorResult<PullStep>,
  steps: AsyncIterator<PullStep>,
  { end, errorLine }: StepLinesOptions,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const line = (value: unknown) => encoder.encode(`${JSON.stringify(value)}\n`);
  let next: IteratorResult<PullStep> | undefined = first;
  let cancelled = false;
  return new ReadableStream({
    async pull(controller) {
      try {
        const step = next ?? await steps.next();
        next = undefined;
        if (cancelled) return;
        if (!step.done) return controller.enqueue(line(step.value));
      } catch (error) {
        if (cancelled) return;
        controller.enqueue(line(errorLine(toHttpError(error))));
      }
      end();
      controller.close();
    },
    async cancel() {
      cancelled = true;
      end();
      await steps.return?.();
    },
  }, { highWaterMark: 0 });
}
