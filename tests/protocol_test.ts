/**
 * Nodes of neighbouring versions of the protocol work together; others are refused, and both sides
 * say which versions there are.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { reset } from "@logtape/logtape";
import { type Deployment, hasCode } from "../actors/mod.ts";
import { clusterDoctor } from "../runtime/doctor/mod.ts";
import { type Node, startNode } from "../runtime/node.ts";
import type { NodeOptions } from "../runtime/node_options.ts";
import { keepWarnings } from "./support/keep_warnings.ts";

type Range = NonNullable<NodeOptions["protocol"]>;

/** Starts a node that speaks these versions, which joins `first`; `served` resolves when it serves. */
async function start(data: string, name: string, protocol: Range, first?: Node) {
  const served = Promise.withResolvers<void>();
  const node = await startNode({
    host: "127.0.0.1",
    port: 0,
    mailboxPort: 0,
    data: join(data, name),
    name,
    threads: 1,
    nodes: 2,
    placement: "even",
    protocol,
    onServe: (deployment?: Deployment) => deployment && served.resolve(),
    ...(first && { join: first.mailboxAddress, token: await first.joinToken() }),
  });
  return { node, served: served.promise };
}

/** Tokens of a greedy answer over two stages. */
async function tokensOf(node: Node): Promise<number[]> {
  const tokens: number[] = [];
  const events = node.gateway.generate({
    model: "default",
    prompt: { kind: "chat", messages: [{ role: "user", content: "Why does it rain?" }] },
    sampling: { temperature: 0 },
    maxTokens: 24,
    stop: [],
  }, AbortSignal.timeout(60_000));
  for await (const event of events) {
    if (event.type === "delta") tokens.push(...event.tokens.map(({ token }) => token));
  }
  return tokens;
}

Deno.test("nodes of neighbouring protocol versions answer as nodes of one version do", async (t) => {
  const data = await Deno.makeTempDir({ prefix: "orrery-test-" });
  const lines: string[] = [];
  await keepWarnings(lines);
  try {
    const answers: number[][] = [];
    const both = { lowest: 1, highest: 2 }, old = { lowest: 1, highest: 1 };
    for (const [i, [ours, theirs]] of [[both, both], [both, old], [old, both]].entries()) {
      await t.step(`versions to ${ours.highest} and to ${theirs.highest}`, async () => {
        const first = await start(data, `a${i}`, ours);
        const second = await start(data, `b${i}`, theirs, first.node);
        await Promise.all([first.served, second.served]);
        answers.push(await tokensOf(second.node));
        if (i === 1) {
          const report = await examined(first.node);
          assert.match(report, /protocol":\{"lowest":1,"highest":1\}/);
          assert.match(report, /"clock_ms":null/, "a node of version 1 shows no clock");
        }
        await second.node.close({ deadlineMs: 0 });
        await first.node.close({ deadlineMs: 0 });
      });
    }
    assert.equal(answers[0].length, 24);
    assert.deepEqual(answers[1], answers[0]);
    assert.deepEqual(answers[2], answers[0]);
    await t.step("a node that is two versions back is refused, and both sides say so", async () => {
      const next = { lowest: 2, highest: 3 };
      const first = await start(data, "a9", next);
      lines.length = 0;
      const why = /node b9:\S+ speaks version 1 of .* node a9:\S+ versions 2 to 3; bring b9:/;
      await assert.rejects(
        start(data, "b9", old, first.node),
        (error) => hasCode(error, "version") && why.test((error as Error).message),
      );
      assert.match(lines.join("\n"), why);
      await first.node.close({ deadlineMs: 0 });
    });
    await t.step("so is one that is too new", async () => {
      const first = await start(data, "a8", both);
      const why = /node b8:\S+ speaks versions 3 to 4 .* bring a8:\S+ up to date/;
      await assert.rejects(
        start(data, "b8", { lowest: 3, highest: 4 }, first.node),
        (error) => hasCode(error, "version") && why.test((error as Error).message),
      );
      assert.match(lines.join("\n"), why);
      await first.node.close({ deadlineMs: 0 });
    });
  } finally {
    await reset();
    await Deno.remove(data, { recursive: true });
  }
});

/** The doctor's report of the cluster, as JSON. */
async function examined({ system }: Node): Promise<string> {
  const examiner = { examine: () => Promise.reject(new Error("the cluster answers")) };
  return JSON.stringify(await clusterDoctor({ system, examiner, known: () => [] })());
}
