import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { type LogQuery } from "../../actors/mod.ts";
import { ScriptedGenerator } from "../../tests/support/scripted_generator.ts";
import { createApi, serveApi } from "../api/mod.ts";
import { LogRing } from "../log_ring.ts";

Deno.test("deno task logs --follow prints what comes, also over a restart of the node", async () => {
  let life = { node: "den:8421:41c0", ring: new LogRing() };
  const write = (text: string) =>
    life.ring.sink({ level: "info", category: ["orrery", "node"], message: [text], timestamp: 0 });
  const asked: (string | undefined)[] = [];
  const stop = new AbortController();
  const api = await serveApi({
    app: createApi(new ScriptedGenerator(), {
      logs(name: string | undefined, query: LogQuery) {
        asked.push(name);
        return Promise.resolve({ node: life.node, ...life.ring.read(query) });
      },
    }),
    ...{ host: "127.0.0.1", port: 0, signal: stop.signal, drainMs: 0 },
  });
  write("one");
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-q", "-P=chat", "--no-prompt", "--config"],
      ...[fileURLToPath(new URL("../../deno.json", import.meta.url))],
      ...[
        fileURLToPath(new URL("./logs.ts", import.meta.url)),
        "den",
        "--follow",
        "--url",
        api.url,
      ],
    ],
    env: { NO_COLOR: "1" },
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  try {
    const next = async () => (await lines.read()).value;
    assert.equal(await next(), "1970-01-01T00:00:00.000Z info    node: one\n");
    write("two");
    assert.equal(await next(), "1970-01-01T00:00:00.000Z info    node: two\n");
    life = { node: "den:8421:77aa", ring: new LogRing() };
    write("three");
    assert.equal(await next(), "1970-01-01T00:00:00.000Z info    node: three\n");
    assert.ok(asked.every((name) => name === "den"));
  } finally {
    child.kill("SIGTERM");
    await lines.cancel();
    await child.status;
    stop.abort();
    await api.finished;
  }
});
