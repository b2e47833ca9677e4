/**
 * Requests outlive their node: three nodes in processes of their own, of which the one that answers
 * is killed (SIGKILL) in the middle. Its clients come back to the others, and have the answers of
 * nodes that nothing has happened to.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { EVEN, NodeProcess } from "./support/processes.ts";

/** Milliseconds in which a client that comes back must be served. */
const BACK_MS = 60_000;

const question = (more: object) => ({
  messages: [{ role: "user", content: "Why does it rain?" }],
  max_tokens: 220,
  orrery: { ignore_eos: true },
  ...more,
});
const greedy = question({ temperature: 0, stream: true });
const sampled = question({ temperature: 0.9, seed: 7, stream: true });
const whole = question({ temperature: 0.9, seed: 8 });

const ask = (url: string, body: object, headers: Record<string, string> = {}) =>
  fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });

/** What a stream has told so far. */
interface Told {
  text: string;
  id?: string;
  events: number;
  over: boolean;
}

/** Reads a stream until it ends or breaks, or `enough` says so; comes back for nothing. */
async function read(response: Response, told: Told, enough = () => false): Promise<void> {
  if (response.status !== 200) return void await response.body?.cancel();
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      const blocks = (rest + part.value).split("\n\n");
      rest = blocks.pop()!;
      for (const block of blocks) {
        const [, id, data] = /^id: (.*)\ndata: (.*)$/.exec(block) ?? [];
        if (id === undefined) continue;
        told.id = id;
        told.events++;
        if (data === "[DONE]") told.over = true;
        else told.text += JSON.parse(data).choices[0]?.delta?.content ?? "";
      }
      if (enough()) return await reader.cancel();
    }
  } catch {
    // The node is gone.
  }
}

Deno.test("a killed node's streams and answers go on at the others, with the same texts", async () => {
  const data = await Deno.makeTempDir({ prefix: "orrery-test-" });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(data, { recursive: true }));
  const start = (name: string, ...args: string[]) =>
    stack.use(NodeProcess.start([
      ...["--data", join(data, name), "--name", name, "--threads", "1", "--log", "info"],
      ...args,
    ]));
  const first = start("den", ...EVEN, "--nodes", "3");
  const joining = await first.join();
  const attic = start("attic", ...joining);
  const shed = start("shed", ...joining);
  const url = await first.ready(3);
  const [atticUrl, shedUrl] = [await attic.ready(3), await shed.ready(3)];

  const texts = await Promise.all([greedy, sampled].map(async (body) => {
    const told: Told = { text: "", events: 0, over: false };
    await read(await ask(url, body), told);
    return told.text;
  }));
  const expected = (await (await ask(url, whole)).json()).choices[0].message.content;

  const streams: Told[] = [greedy, sampled].map(() => ({ text: "", events: 0, over: false }));
  const reading = [greedy, sampled].map(async (body, i) =>
    await read(await ask(atticUrl, body), streams[i])
  );
  const lost = ask(atticUrl, whole, { "idempotency-key": "once" })
    .then((response) => response.json()).catch(() => undefined);
  while (streams.some(({ events }) => events < 20)) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  attic.kill("SIGKILL");
  await Promise.all(reading);
  assert.ok(streams.every(({ over }) => !over), "it was killed in the middle");
  assert.equal(await lost, undefined);

  const until = AbortSignal.timeout(BACK_MS);
  const back = [shedUrl, url];
  await Promise.all(streams.map(async (told, i) => {
    for (let tries = 0; !told.over; tries++) {
      until.throwIfAborted();
      const body = [greedy, sampled][i];
      await read(await ask(back[(tries + i) % 2], body, { "last-event-id": told.id! }), told);
      if (!told.over) await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }));
  assert.deepEqual(streams.map(({ text }) => text), texts);
  for (const at of back) {
    const again = await ask(at, whole, { "idempotency-key": "once" });
    const answer = await again.json();
    assert.equal(again.status, 200, JSON.stringify(answer));
    assert.equal(answer.choices[0].message.content, expected);
  }
  const reused = await ask(url, { ...whole, seed: 9 }, { "idempotency-key": "once" });
  assert.equal(reused.status, 422);
  await reused.body?.cancel();
});
