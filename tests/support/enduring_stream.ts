/**
 * A client that has its whole answer, whatever becomes of the nodes that it asks: where a stream
 * breaks off it goes on at another node with `Last-Event-ID`, as docs/api.md says.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";

/** Milliseconds in which an answer must be whole. */
const PATIENCE_MS = 180_000;
/** Milliseconds between two tries. */
const AGAIN_MS = 200;

/** An answer that is whole. */
export interface EnduredAnswer {
  text: string;
  /** Times that the stream broke off after its beginning, and was gone on with. */
  resumed: number;
  /** Times that nothing had begun yet, and it was asked again. */
  refused: number;
  /** Longest milliseconds without an event. */
  pauseMs: number;
}

/** What has come of a stream so far. */
interface Told {
  text: string;
  /** Id of the last event. */
  id?: string;
  over: boolean;
  at: number;
  pauseMs: number;
}

/**
 * Asks for a chat completion as a stream, at the nodes that `urls` names now, one after the other
 * until the answer is whole. Rejects with what the last one said.
 */
export async function endureStream(
  urls: () => readonly string[],
  body: Record<string, unknown>,
): Promise<EnduredAnswer> {
  const told: Told = { text: "", over: false, at: performance.now(), pauseMs: 0 };
  const counts = { resumed: 0, refused: 0 };
  const until = performance.now() + PATIENCE_MS;
  for (let turn = 0;; turn++) {
    const before = told.id;
    const all = urls();
    const why = await readSome(all[turn % all.length], body, told).catch(String);
    if (told.over) return { text: told.text, pauseMs: told.pauseMs, ...counts };
    if (told.id !== before) counts.resumed++;
    else if (told.id === undefined) counts.refused++;
    if (performance.now() > until) throw new Error(`no whole answer in time: ${why}`);
    await sleep(AGAIN_MS);
  }
}

/** Reads a stream until it ends or breaks off; resolves to why. */
async function readSome(url: string, body: object, told: Told): Promise<string> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...(told.id !== undefined && { "last-event-id": told.id }),
    },
    body: JSON.stringify({ ...body, stream: true }),
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  if (response.status !== 200) return `${url}: ${response.status} ${await response.text()}`;
  let rest = "";
  for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
    const blocks = (rest + part).split("\n\n");
    rest = blocks.pop()!;
    for (const block of blocks) {
      const [, id, data] = /^id: (.*)\ndata: (.*)$/.exec(block) ?? [];
      if (id === undefined) {
        if (block.includes('"error"')) return `${url}: ${block}`;
        continue; // a comment
      }
      const now = performance.now();
      told.pauseMs = Math.max(told.pauseMs, now - told.at);
      Object.assign(told, { id, at: now });
      if (data === "[DONE]") told.over = true;
      else told.text += JSON.parse(data).choices[0]?.delta?.content ?? "";
    }
  }
  return `${url}: the stream ended`;
}
