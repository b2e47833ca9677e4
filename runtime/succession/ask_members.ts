/**
 * Asks other nodes what `protocol.ts` describes.
 *
 * @module
 */
import { OrreryError } from "../../actors/mod.ts";
import { askMailbox, type MailboxPlace, signText } from "../trust/mod.ts";
import {
  acceptedSchema,
  MAX_BYTES,
  PREFIX,
  questionText,
  recordAnswerSchema,
  type Standing,
  standingSchema,
  voteAnswerSchema,
} from "./protocol.ts";
import { type Ballot, derOf, type Signer, type SuccessionRecord, type Vote } from "./record.ts";

/** Milliseconds that one node has to answer. */
const ANSWER_MS = 5_000;
/** Nodes that are asked at a time. */
const AT_ONCE = 16;

/** Whether a member would vote, and why not. Throws what it refuses with, `no_answer` (group `trust`). */
export async function askStanding(
  place: MailboxPlace,
  cluster: string,
  { key, certificate }: Signer,
  signal?: AbortSignal,
): Promise<Standing> {
  const asker = {
    certificate: derOf(certificate),
    signature: await signText(key, questionText(cluster)),
  };
  return await request(place, "question", { cluster, asker }, standingSchema, signal);
}

/** A member's vote. Throws what it refuses with, `no_answer` (group `trust`). */
export async function askVote(
  place: MailboxPlace,
  ballot: Ballot,
  own: Vote,
  signal?: AbortSignal,
): Promise<Vote> {
  return (await request(place, "vote", { ballot, own }, voteAnswerSchema, signal)).vote;
}

/**
 * Tells a node a record. Resolves once it believes it, with a newer one that it knows. Throws as the
 * others.
 */
export async function tellRecord(
  place: MailboxPlace,
  record: SuccessionRecord,
  signal?: AbortSignal,
): Promise<SuccessionRecord | undefined> {
  return (await request(place, "record", record, acceptedSchema, signal)).newer;
}

/** The record by which an authority was followed; undefined: this node knows of none. */
export async function askRecord(
  place: MailboxPlace,
  authority: string,
  signal?: AbortSignal,
): Promise<SuccessionRecord | undefined> {
  const path = `record/${authority}`;
  return (await request(place, path, undefined, recordAnswerSchema, signal)).record ?? undefined;
}

/** Asks all places, some at a time. What `ask` throws becomes the answer. */
export async function askAll<P extends MailboxPlace, T>(
  places: readonly P[],
  ask: (place: P) => Promise<T>,
): Promise<({ place: P; answer: T } | { place: P; error: Error })[]> {
  const results: ({ place: P; answer: T } | { place: P; error: Error })[] = [];
  let next = 0;
  const work = async () => {
    while (next < places.length) {
      const at = next++, place = places[at];
      results[at] = await ask(place)
        .then((answer) => ({ place, answer }), (error: Error) => ({ place, error }));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return results;
}

type Schema<T> = Parameters<typeof askMailbox<T>>[0]["schema"];

function request<T>(
  place: MailboxPlace,
  path: string,
  body: unknown,
  schema: Schema<T>,
  signal?: AbortSignal,
): Promise<T> {
  const timeout = AbortSignal.timeout(ANSWER_MS);
  return askMailbox({
    place,
    path: PREFIX + path,
    body,
    schema,
    maxChars: MAX_BYTES,
    signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    failed: (where, why) =>
      new OrreryError({
        group: "trust",
        code: "no_answer",
        message: `no node answers at ${where} (${why})`,
        metadata: { where },
      }),
  });
}
