/**
 * What the API writes into a request's journal: what was asked, and the events of its choices.
 *
 * @module
 */
import { z } from "zod";
import { type AnswerProgress, OrreryError } from "../../../actors/mod.ts";
import type { ApiChoice, ChoiceEvent } from "../dialect.ts";
import type { GeneratedToken, GenerationEvent } from "../generator.ts";

/** What was asked, as a journal keeps it. */
const askedSchema = z.object({
  version: z.literal(1),
  /** Path of the route. */
  path: z.string(),
  /** The JSON body. */
  body: z.unknown(),
  /** Name of the model that answers. */
  model: z.string(),
  /** When it was asked, Unix seconds. */
  createdS: z.number(),
  /** Seed of each choice. */
  seeds: z.array(z.number()),
  /** The choices themselves, where they cannot be made from the body at another node. */
  choices: z.array(z.unknown()).optional(),
});

/** See {@linkcode askedSchema}. */
export interface AskedRequest extends Omit<z.output<typeof askedSchema>, "choices"> {
  choices?: ApiChoice[];
}

/** As text. */
export const encodeAsked = (asked: AskedRequest): string => JSON.stringify(asked);

/** From text. Throws group `journal`, code `wrong_data`, for what another version has written. */
export function decodeAsked(text: string): AskedRequest {
  const parsed = askedSchema.safeParse(parse(text));
  if (!parsed.success) throw wrongData(parsed.error.issues[0].message);
  return parsed.data as AskedRequest;
}

/** A record: an event of a choice, and how far its generation has come. */
export interface JournalRecordOf {
  index: number;
  /** Undefined: only the progress. */
  event?: GenerationEvent;
  progress?: AnswerProgress;
}

/** As text. */
export function encodeEvent({ index, event }: ChoiceEvent): string {
  if (event.type !== "delta" || !event.progress) return JSON.stringify({ i: index, e: event });
  const { progress, ...rest } = event;
  const empty = rest.text === "" && rest.tokens.length === 0;
  return JSON.stringify({ i: index, ...(!empty && { e: rest }), p: progress });
}

/** From text that {@linkcode encodeEvent} has written. */
export function decodeEvent(text: string): JournalRecordOf {
  const { i, e, p } = parse(text) as { i: number; e?: GenerationEvent; p?: AnswerProgress };
  if (e && "tokens" in e) { for (const token of e.tokens) restore(token); }
  return { index: i, ...(e && { event: e }), ...(p && { progress: p }) };
}

/** JSON writes the log-probability of what cannot be, minus infinity, as null. */
function restore(token: GeneratedToken): void {
  if (token.logprob === null) token.logprob = -Infinity;
  for (const pair of token.top ?? []) if (pair[1] === null) pair[1] = -Infinity;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw wrongData("it is no JSON");
  }
}

const wrongData = (why: string) =>
  new OrreryError({
    group: "journal",
    code: "wrong_data",
    message: `the journal of this request was written by another version: ${why}; send it anew`,
  });
