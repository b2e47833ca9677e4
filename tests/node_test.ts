/**
 * A node as its users and its operator meet it: real processes, real sockets, the official client.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import {
  arbiterAddress,
  type ArbiterStats,
  type EngineStats,
  stageAddress,
} from "../actors/mod.ts";
import { type Node, startNode } from "../runtime/node.ts";
import { EVEN, NodeProcess, startCluster } from "./support/processes.ts";
import { TOKEN_OF_NOBODY } from "./support/trust.ts";

async function withData(run: (data: string) => Promise<void>): Promise<void> {
  const data = await Deno.makeTempDir({ prefix: "orrery-test-" });
  try {
    await run(data);
  } finally {
    await Deno.remove(data, { recursive: true });
  }
}

/** A node in this process, ready to answer. */
async function localNode(
  data: string,
  more: Partial<Parameters<typeof startNode>[0]> = {},
): Promise<Node> {
  const ready = Promise.withResolvers<void>();
  const node = await startNode({
    host: "127.0.0.1",
    port: 0,
    mailboxPort: 0,
    data,
    threads: 1,
    nodes: 1,
    onServe: (deployment) => deployment && ready.resolve(),
    ...more,
  });
  await ready.promise;
  return node;
}

const stageStats = async (node: Node) =>
  await node.system.ask(stageAddress((await node.cluster()).deployment!.id, 0), {
    type: "stats",
  }) as EngineStats;

const arbiterStats = async (node: Node) =>
  await node.system.ask(arbiterAddress((await node.cluster()).deployment!.id, node.id), {
    type: "stats",
  }) as ArbiterStats;

/** Rows that running requests hold. */
const heldRows = ({ capacity, free_rows, holes, cached_rows }: ArbiterStats) =>
  capacity - free_rows - holes - cached_rows;

async function until(done: () => Promise<boolean>, what: string): Promise<void> {
  for (let i = 0; i < 400; i++) {
    if (await done()) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  assert.fail(`never happened: ${what}`);
}

const post = (url: string, body: unknown, signal?: AbortSignal) =>
  fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    signal,
  });

const question = { messages: [{ role: "user", content: "Why does it rain?" }] };
const endless = { ...question, max_tokens: 1500, stream: true, orrery: { ignore_eos: true } };

/** The text of a streamed answer. Throws its error, if it has one. */
function textOf(stream: string): string {
  const events = stream.split("\n").filter((line) => line.startsWith("data: {"))
    .map((line) => JSON.parse(line.slice("data: ".length)));
  const failed = events.find(({ error }) => error);
  assert.equal(failed, undefined);
  return events.map(({ choices }) => choices[0]?.delta.content ?? "").join("");
}

Deno.test("POST /v1/chat/completions stops within a frame and frees its rows when the client leaves", async () => {
  await withData(async (data) => {
    const node = await localNode(data);
    try {
      const abort = new AbortController();
      const response = await post(node.url, endless, abort.signal);
      const reader = response.body!.getReader();
      await reader.read();
      assert.ok(heldRows(await arbiterStats(node)) > 0);
      abort.abort();
      await reader.cancel().catch(() => {});
      await until(async () => (await arbiterStats(node)).requests === 0, "the request is closed");
      await until(
        async () => (await arbiterStats(node)).frames_in_flight === 0,
        "its last frame is back",
      );
      // The arena stays for the next request; what was said may be of use to one that begins alike.
      const stats = await arbiterStats(node);
      assert.equal(heldRows(stats), 0, JSON.stringify(stats));
      const { frames, arenas } = await stageStats(node);
      assert.equal(arenas, 1);
      await new Promise((resolve) => setTimeout(resolve, 200));
      assert.equal((await stageStats(node)).frames, frames, "no frame ran afterwards");
      assert.ok(frames < 1500);
    } finally {
      await node.close();
    }
  });
});

Deno.test("POST /v1/chat/completions answers 429 at once when too many requests run and wait", async () => {
  await withData(async (data) => {
    const node = await localNode(data, { admission: { active: 2, queued: 1 } });
    try {
      const abort = new AbortController();
      const running = [
        await post(node.url, endless, abort.signal),
        await post(node.url, endless, abort.signal),
      ];
      const waiting = post(node.url, question);
      await until(async () => (await post(node.url, question)).status === 429, "the queue is full");
      const refused = await post(node.url, question);
      assert.equal(refused.status, 429);
      assert.ok(Number(refused.headers.get("retry-after")) >= 1);
      assert.match((await refused.json()).error.message, /2 generations run and 1 wait/);
      abort.abort();
      await Promise.allSettled(running.map((r) => r.text()));
      assert.equal((await (await waiting).json()).choices[0].finish_reason, "stop");
    } finally {
      await node.close();
    }
  });
});

Deno.test("POST /v1/chat/completions gives concurrent requests the answers that each gets alone", async () => {
  await withData(async (data) => {
    const node = await localNode(data);
    try {
      const prompts = [
        "Why does it rain?",
        "What is a rainbow?",
        "How do birds fly?",
        "Why is the sea salty?",
        "Hello!",
        "x",
      ];
      const ask = async (content: string) =>
        (await (await post(node.url, { messages: [{ role: "user", content }], temperature: 0 }))
          .json())
          .choices[0].message.content;
      const alone = [];
      for (const p of prompts) alone.push(await ask(p));
      // so many that they do not share one arena
      const [all, answers] = [prompts, alone].map((list) => [...list, ...list, ...list]);
      assert.deepEqual(await Promise.all(all.map(ask)), answers);
    } finally {
      await node.close();
    }
  });
});

Deno.test("POST /v1/chat/completions refuses a prompt beyond the context, with both numbers", async () => {
  await withData(async (data) => {
    const node = await localNode(data);
    try {
      const long = await post(node.url, {
        messages: [{ role: "user", content: "rain ".repeat(3000) }],
      });
      assert.equal(long.status, 400);
      const { error } = await long.json();
      assert.match(error.message, /maximum context length is 2048 tokens, .* has (at least )?\d+/);
      assert.equal(error.code, "context_length_exceeded");
      const greedy = await post(node.url, { ...question, max_tokens: 5000, stream: true });
      assert.equal(greedy.status, 200);
      await greedy.body?.cancel();
    } finally {
      await node.close();
    }
  });
});

Deno.test("deno task start goes on with the same text when a node is killed in the middle of a stream", async () => {
  await withData(async (data) => {
    await using cluster = await startCluster(3, data);
    const greedy = { ...endless, max_tokens: 400, temperature: 0 };
    const undisturbed = textOf(await (await post(cluster.url, greedy)).text());
    const response = await post(cluster.url, greedy);
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let stream = "";
    let at = performance.now();
    let pauseMs = 0;
    for (let r = await reader.read(); !r.done; r = await reader.read()) {
      if (stream.length < 4_000 && stream.length + r.value.length >= 4_000) {
        cluster.nodes[2].kill("SIGKILL");
      }
      stream += r.value;
      pauseMs = Math.max(pauseMs, performance.now() - at);
      at = performance.now();
    }
    assert.equal(textOf(stream), undisturbed);
    assert.doesNotMatch(stream, /since its stages were lost/, "its stages were repaired under it");
    assert.ok(pauseMs < 20_000, `the stream stood still for ${Math.round(pauseMs)} ms`);
    // A neighbour has the layers of the node that was killed beside its own.
    const repaired = /^ready +\S+: layers 0-[13] on this node, layers [24]-5 on \S+$/;
    await cluster.nodes[0].line(repaired);
  });
});

Deno.test("deno task start gets its cluster back when the first node is started again", async () => {
  await withData(async (data) => {
    const ports = [0, 0].map(() => {
      const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      const { port } = listener.addr;
      listener.close();
      return String(port);
    });
    const first = [
      "--data",
      data,
      "--nodes",
      "2",
      ...EVEN,
      "--port",
      ports[0],
      "--mailbox-port",
      ports[1],
    ];
    await using before = NodeProcess.start(first, { ports: false });
    await using second = NodeProcess.start(["--data", data, ...await before.join()]);
    await before.ready(2);
    const secondUrl = await second.ready(2);
    before.kill("SIGKILL");
    await before.status();
    await second.line(/^not ready node \S+, which has layers, is gone/);
    assert.equal(
      (await fetch(`${secondUrl}/readyz`).then(async (r) => (await r.text(), r))).status,
      503,
    );
    await using after = NodeProcess.start(first, { ports: false });
    const url = await after.ready(2);
    for (const u of [url, secondUrl]) {
      assert.equal((await post(u, question).then(async (r) => (await r.text(), r))).status, 200);
    }
  });
});

Deno.test("deno task start finishes the running answer, refuses others and exits 0 after SIGTERM", async () => {
  await withData(async (data) => {
    await using node = NodeProcess.start(["--data", data], { launch: true });
    const url = await node.ready(1);
    const response = await post(url, { ...endless, max_tokens: 100 });
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    await reader.read();
    node.kill("SIGTERM");
    await node.line(/stopping/);
    const refused = await post(url, question).then((r) => r.status, () => 503);
    assert.equal(refused, 503);
    let rest = "";
    for (let r = await reader.read(); !r.done; r = await reader.read()) rest += r.value;
    assert.match(rest, /"finish_reason":"length"/);
    assert.match(rest, /data: \[DONE\]/);
    assert.equal((await node.status()).code, 0);
  });
});

Deno.test("deno task start ends in its time after SIGTERM, whatever its answers need", async () => {
  await withData(async (data) => {
    await using cluster = await startCluster(1, data);
    const [node] = cluster.nodes;
    // As many answers as may run at a time, so that a fast machine is not done with them before.
    const long = { ...endless, max_tokens: 100_000, n: 8 };
    const [response, ...others] = await Promise.all(
      [1, 2, 3, 4].map(() => post(cluster.url, long)),
    );
    const unread = others.map((other) => other.text().catch(() => {}));
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    await reader.read();
    const begun = performance.now();
    node.kill("SIGTERM");
    let text = "";
    for (let r = await reader.read(); !r.done; r = await reader.read()) {
      text = (text + r.value).slice(-2_000);
    }
    await Promise.all(unread);
    assert.equal((await node.status()).code, 0);
    const tookMs = performance.now() - begun;
    assert.ok(tookMs > 9_000, "it has 10 s");
    assert.ok(tookMs < 30_000, `the node took ${tookMs} ms`); // beside other tests
    assert.match(text, /"draining"/);
  });
});

Deno.test("deno task start --join takes in two nodes together, which also leave together", async () => {
  await withData(async (data) => {
    await using first = NodeProcess.start(["--data", data, ...EVEN]);
    const url = await first.ready(1);
    const join = await first.join();
    await using second = NodeProcess.start(["--data", data, ...join]);
    await using third = NodeProcess.start(["--data", data, ...join]);
    const urls = [url, await second.ready(3), await third.ready(3)];
    assert.deepEqual(await second.join(), join, "it names the first node as the one to join");
    await first.ready(3);
    for (const u of urls) {
      const response = await post(u, question);
      assert.equal(response.status, 200, await response.text());
    }
    second.kill("SIGTERM");
    third.kill("SIGINT");
    assert.equal((await second.status()).code, 0, second.output);
    assert.equal((await third.status()).code, 0, third.output);
    assert.doesNotMatch(second.output + third.output, /deadline|did not take our leave/);
    await first.line(/^ready +\S+: layers 0-5 on this node$/);
    assert.equal((await post(url, question).then(async (r) => (await r.text(), r))).status, 200);
  });
});

Deno.test("deno task start finishes a request that runs through a leaving node, which hands its layers over", async () => {
  await withData(async (data) => {
    await using cluster = await startCluster(2, data);
    const response = await post(cluster.url, { ...endless, max_tokens: 500 });
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    await reader.read();
    cluster.nodes[1].kill("SIGTERM");
    let rest = "";
    for (let r = await reader.read(); !r.done; r = await reader.read()) rest += r.value;
    assert.match(rest, /"finish_reason":"length"/, rest.slice(-500));
    await cluster.nodes[0].line(/^ready +\S+: layers 0-5 on this node$/);
    assert.equal((await cluster.nodes[1].status()).code, 0, cluster.nodes[1].output);
    assert.equal((await post(cluster.url, question)).status, 200);
  });
});

Deno.test("deno task start --join takes over layers, with weights fetched over the mailbox", async () => {
  await withData(async (data) => {
    await using first = NodeProcess.start(["--data", join(data, "first"), ...EVEN]);
    const url = await first.ready(1);
    await using second = NodeProcess.start([
      "--data",
      join(data, "second"),
      ...await first.join(),
    ]);
    const secondUrl = await second.ready(2);
    await first.line(/^ready +\S+: layers 0-2 on this node, layers 3-5 on /);
    const [a, b] = await Promise.all(
      [url, secondUrl].map(async (u) =>
        (await (await post(u, { ...question, temperature: 0 })).json()).choices[0].message.content
      ),
    );
    assert.ok(a.length > 20);
    assert.equal(b, a);
    const fetched = [...Deno.readDirSync(join(data, "second", "blobs"))].filter((f) =>
      /^[0-9a-f]{64}$/.test(f.name)
    );
    assert.ok(
      fetched.length < [...Deno.readDirSync(join(data, "first", "blobs"))].length,
      "only its own layers",
    );
  });
});

Deno.test("deno task start says in one line why it cannot start, and exits with 1 or 2", async (t) => {
  await withData(async (data) => {
    await Deno.mkdir(join(data, "empty"));
    await Deno.mkdir(join(data, "strange"));
    await Deno.writeTextFile(
      join(data, "strange", "config.json"),
      JSON.stringify({ architectures: ["MambaForCausalLM"], model_type: "mamba" }),
    );
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const taken = String(listener.addr.port);
    const cases: [string, string[], number, RegExp][] = [
      [
        "API port in use",
        ["--port", taken, "--mailbox-port", "0"],
        1,
        /port \d+ on 127.0.0.1 is in use.*--port/,
      ],
      [
        "mailbox port in use",
        ["--port", "0", "--mailbox-port", taken],
        1,
        /127.0.0.1:\d+ is in use.*--mailbox-port/,
      ],
      [
        "an address elsewhere",
        ["--port", "0", "--mailbox-port", "0", "--host", "1.2.3.4"],
        1,
        /1.2.3.4:0 is not on this machine/,
      ],
      ["unknown model", ["--port", "0", "--model", "nonesuch"], 1, /nonesuch is not in/],
      [
        "a hub id",
        ["--port", "0", "--model", "owner/name"],
        1,
        /fetch it first: deno task models add owner\/name/,
      ],
      [
        "folder without a model",
        ["--port", "0", "--model", join(data, "empty")],
        1,
        /config\.json/,
      ],
      [
        "unknown architecture",
        ["--port", "0", "--model", join(data, "strange")],
        1,
        /MambaForCausalLM.*LlamaForCausalLM/,
      ],
      [
        "too little memory",
        ["--port", "0", "--mailbox-port", "0", "--memory", "20"],
        1,
        /layers 0-5 of embedded need \d+ MiB to load, node \S+ may use 20 MiB/,
      ],
      ["layers with a gap", ["--port", "0", "--layers", "0-1,3-5"], 1, /must begin at layer 2/],
      [
        "nobody to join",
        [
          "--port",
          "0",
          "--join",
          `127.0.0.1:${taken}`,
          "--token",
          TOKEN_OF_NOBODY,
          "--mailbox-port",
          "0",
        ],
        1,
        /no node answers at|does not answer/,
      ],
      ["unknown flag", ["--prot", "1"], 2, /--prot/],
      ["bad precision", ["--precision", "q3"], 2, /q4, q4m, q8, f16, f32/],
      ["bad port", ["--port", "99999"], 2, /--port takes a whole number from 0 to 65535/],
    ];
    // Accepts and says nothing: whoever dials must give up by itself.
    const accepting = (async () => {
      for await (const connection of listener) connection.close();
    })();
    for (const [name, args, code, line] of cases) {
      await t.step(name, async () => {
        await using node = NodeProcess.start(["--data", join(data, "store"), ...args], {
          ports: false,
          launch: code === 2,
        });
        const status = await node.status();
        assert.equal(status.code, code, node.output);
        const errors = node.output.split("\n").filter((l) => l.startsWith("stderr: "));
        assert.equal(errors.length, 1, node.output);
        assert.match(errors[0], line);
        assert.doesNotMatch(node.output, /\n\s+at /);
      });
    }
    listener.close();
    await accepting;
  });
});
