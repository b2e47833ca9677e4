import assert from "node:assert/strict";
import { z } from "zod";
import { hasCode } from "../../actors/mod.ts";
import { describeFailure } from "./fail.ts";
import { type ExpectedAnswer, readApi } from "./api_call.ts";

/** A server that answers each request with what `answer` gives. */
function serve(answer: () => Response | Promise<Response>) {
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, answer);
  const url = `http://127.0.0.1:${server.addr.port}`;
  return { url, [Symbol.asyncDispose]: () => server.shutdown() };
}

const expected: ExpectedAnswer<{ n: number }> = {
  ...{ schema: z.object({ n: z.number() }), what: "numbers" },
  ...{ withinMs: 100, late: "try again" },
};

Deno.test("readApi() says what has not come, after how long, and what to do", async () => {
  const ended = Promise.withResolvers<void>();
  const silent = async () => {
    await ended.promise;
    return new Response();
  };
  const halting = () =>
    new Response(new ReadableStream({ start: (c) => c.enqueue(Uint8Array.of(123)) }));
  for (const answer of [silent, halting]) {
    await using server = serve(answer);
    const { url } = server;
    const error: unknown = await readApi({ url, path: "/a?b=1", method: "POST" }, expected)
      .catch((error) => error);
    assert.ok(hasCode(error, "no_answer"));
    assert.deepEqual(describeFailure(error), {
      code: 1,
      line: `error: ${url} has not answered POST /a within 0.1 s: try again`,
    });
    ended.resolve();
  }
});

Deno.test("readApi() refuses an answer of another shape, and none that is JSON", async () => {
  for (const text of ['{"n":"1"}', "<html>"]) {
    await using server = serve(() => new Response(text));
    await assert.rejects(
      readApi({ url: server.url, path: "/a" }, { ...expected, withinMs: 5_000 }),
      (e) => hasCode(e, "broken_answer") && /something else than numbers/.test(e.message),
    );
  }
});
