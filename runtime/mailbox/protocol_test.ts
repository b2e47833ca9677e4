import assert from "node:assert/strict";
import { reset } from "@logtape/logtape";
import { hasCode } from "../../actors/mod.ts";
import { open, reply, test } from "../../tests/support/mailbox_nodes.ts";
import { until } from "../../tests/support/transport_suite.ts";
import { commonVersion, PROTOCOL, protocolSchema } from "./protocol.ts";
import { keepWarnings } from "../../tests/support/keep_warnings.ts";

const range = (lowest: number, highest: number) => ({ lowest, highest });
const common = (here: [number, number], there: [number, number]) =>
  commonVersion({ node: "a", protocol: range(...here) }, { node: "b", protocol: range(...there) });

Deno.test("commonVersion() is the highest version that both nodes speak", () => {
  assert.equal(common([1, 2], [1, 2]), 2);
  assert.equal(common([1, 2], [1, 1]), 1);
  assert.equal(common([1, 2], [2, 3]), 2);
  assert.equal(common([0, 9], [4, 5]), 5);
});

Deno.test("commonVersion() names both nodes, both ranges and the one to bring up to date", () => {
  const refusal = (old: RegExp, text: RegExp) => (error: Error) =>
    hasCode(error, "version") && old.test(error.message) && text.test(error.message);
  assert.throws(
    () => common([1, 2], [3, 4]),
    refusal(/bring a up to date/, /node b speaks versions 3 to 4 .* node a versions 1 to 2/),
  );
  assert.throws(
    () => common([2, 3], [1, 1]),
    refusal(/bring b up to date/, /node b speaks version 1 of .* node a versions 2 to 3/),
  );
});

Deno.test("PROTOCOL has the newest version and the one before", () => {
  assert.ok(protocolSchema.safeParse(PROTOCOL).success);
  assert.equal(PROTOCOL.highest - PROTOCOL.lowest, 1);
  assert.ok(!protocolSchema.safeParse(range(3, 2)).success);
});

test("Mailboxes use the highest common version, in both directions", async () => {
  for (const [ours, theirs, version] of [[2, 2, 2], [2, 1, 1], [1, 2, 1]]) {
    const a = await open("a", { accept: () => true, protocol: range(1, ours) });
    const b = await open("b", { accept: () => true, protocol: range(1, theirs) });
    a.mailbox.addPeer("b", b.mailbox.address.host, b.mailbox.address.port);
    await a.mailbox.send("b", reply(1));
    await until(() => b.received.length === 1, "a message");
    await b.mailbox.send("a", reply(2));
    await until(() => a.received.length === 1, "the answer");
    assert.equal(a.mailbox.peers()[0].version, version);
    assert.equal(b.mailbox.peers()[0].version, version);
    await a.mailbox.close();
    await b.mailbox.close();
  }
});

test("Mailboxes without a common version refuse each other, and both say why", async () => {
  const lines: string[] = [];
  await keepWarnings(lines);
  try {
    const a = await open("a", { protocol: range(1, 1), limits: { peerTimeoutMs: 400 } });
    const b = await open("b", { accept: () => true, protocol: range(2, 3) });
    a.mailbox.addPeer("b", b.mailbox.address.host, b.mailbox.address.port);
    const unsent = a.mailbox.send("b", reply(1));
    await until(() => a.lost.length === 1, "the loss");
    await unsent;
    const why = /node a speaks version 1 of .* node b versions 2 to 3; bring a up to date/;
    assert.match(a.lost[0], why);
    assert.match(a.mailbox.peers()[0].lastError!, why);
    assert.deepEqual(b.received, []);
    const said = (node: string) => lines.filter((line) => line.includes(`node ${node}: `));
    assert.match(said("a").join("\n"), why);
    assert.match(said("b").join("\n"), why);
    assert.ok(said("a").length === 1 && said("b").length === 1, lines.join("\n"));
    await a.mailbox.close();
    await b.mailbox.close();
  } finally {
    await reset();
  }
});
