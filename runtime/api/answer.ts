/**
 * Runs an API task and gives its response: one JSON body, or a stream.
 *
 * @module
 */
import { runChoices } from "./choices.ts";
import type { AnswerPart, AnswerTotals, ApiTask, ChoiceEvent } from "./dialect.ts";
import { apiError, toHttpError } from "./errors.ts";
import type { FinishReason, GenerationEvent, Generator } from "./generator.ts";
import type { AnswerNames } from "./answer_names.ts";
import { Steps } from "./steps.ts";
import { Tally } from "./totals.ts";

/** What an answer is made from. */
export interface AnswerInit {
  /** Generates the text. */
  generator: Generator;
  /** The validated request. */
  task: ApiTask;
  /** Name of the model that answers; stands in the response. */
  model: string;
  /** Ids in the response. */
  names: AnswerNames;
  /** Aborting it stops every generation of the task. */
  signal: AbortSignal;
  /** The events of the task's choices. @default the generator is asked for them */
  events?: AsyncGenerator<ChoiceEvent, void>;
}

/** A part of the answer as it grows; `finishReason` comes last. */
type GrowingPart = Omit<AnswerPart, "finishReason"> & { finishReason?: FinishReason };

/**
 * Runs the task to its end and resolves to the response body. Throws what `Generator.generate`
 * throws, the signal's reason, or group `api`, code `incomplete` where a generation ended without
 * its `done` event.
 */
export async function wholeAnswer(
  { generator, task, model, names, signal, events }: AnswerInit,
): Promise<{ body: unknown; totals: AnswerTotals }> {
  const tally = new Tally(task.choices);
  const parts = task.choices.map((): GrowingPart => ({
    text: "",
    tokens: [],
    prompt: [],
    reasoning: "",
    calls: [],
  }));
  for await (const step of events ?? runChoices(generator, task.choices, signal)) {
    tally.add(step);
    grow(parts[step.index], step.event);
  }
  const cut = parts.findIndex(({ finishReason }) => finishReason === undefined);
  if (cut >= 0) {
    throw apiError("incomplete", `the generation of choice ${cut} ended without a reason`);
  }
  const { totals } = tally;
  return {
    body: task.wording.whole({ model, parts: parts as AnswerPart[], totals, names }),
    totals,
  };
}

/** Adds what an event tells to its choice's answer. */
function grow(part: GrowingPart, event: GenerationEvent): void {
  switch (event.type) {
    case "delta":
      part.text += event.text;
      part.tokens.push(...event.tokens);
      return;
    case "prompt":
      part.prompt = event.tokens;
      return;
    case "reasoning":
      part.reasoning += event.text;
      return;
    case "tool_call": {
      const { index, id, name = "", arguments: more = "" } = event.call;
      const call = part.calls[index] ??= {
        id,
        type: "function",
        function: { name: "", arguments: "" },
      };
      call.function.name += name;
      call.function.arguments += more;
      return;
    }
    case "done":
      part.finishReason = event.finishReason;
      part.stopText = event.stopText;
  }
}

/** Settings of {@linkcode streamedAnswer}. */
export interface StreamOptions {
  /** Milliseconds without an event after which the stream says that it lives. */
  keepAliveMs: number;
  /** Called once, at the end of the stream; `error` is what ended it early, if anything did. */
  onEnd: (totals: AnswerTotals, error?: unknown) => void;
  /** Must stop the generations; called when the client goes away. */
  stop: () => void;
  /** Gives the events of a text their ids. @default they have none */
  number?: (text: string) => string;
}

/**
 * Starts the task and resolves to the bytes of its stream (UTF-8) once all generations have
 * started. A refusal before that rejects this promise, so the caller can answer it with an HTTP
 * status. Where the start takes longer than `keepAliveMs`, the stream begins all the same, and a
 * later error becomes its last event.
 */
export async function streamedAnswer(
  { generator, task, model, names, signal, events }: AnswerInit,
  { keepAliveMs, onEnd, stop, number = (text) => text }: StreamOptions,
): Promise<ReadableStream<Uint8Array>> {
  const tally = new Tally(task.choices);
  const { totals } = tally;
  const steps = new Steps(
    events ?? runChoices(generator, task.choices, signal),
    keepAliveMs,
  );
  await steps.begin(task.choices.length);
  const writer = task.wording.stream(model, names);
  const encoder = new TextEncoder();
  let cancelled = false;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      let text = "";
      let ended = false;
      try {
        while (text === "" && !ended) {
          const step = await steps.next();
          if (step === "quiet") text = writer.quiet();
          else if (step !== "end") {
            tally.add(step);
            text = number(writer.event(step));
          } else {
            ended = true;
            text = number(writer.end(totals));
            onEnd(totals);
          }
        }
      } catch (error) {
        if (cancelled) return;
        ended = true;
        text = writer.fail(toHttpError(error));
        onEnd(totals, error);
      }
      if (cancelled) return;
      if (text !== "") controller.enqueue(encoder.encode(text));
      if (ended) controller.close();
    },
    cancel() {
      cancelled = true;
      stop();
      steps.close();
      onEnd(totals, apiError("client_closed", "the client went away"));
    },
  });
}
