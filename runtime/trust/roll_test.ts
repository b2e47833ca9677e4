import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { TestCluster } from "../../tests/support/trust.ts";
import { open } from "../../tests/support/mailbox_nodes.ts";
import { until } from "../../tests/support/transport_suite.ts";
import type { KnownIdentity } from "./identities.ts";
import { isRollOf, membersOf, type Roll } from "./roll.ts";

const DAY = 24 * 3600_000;

const known = (identity: string, until_ms: number, more: Partial<KnownIdentity> = {}) => ({
  identity,
  node: `${identity}:1:0001`,
  lives: [{ node: `${identity}:1:0001`, until_ms }],
  admitted_ms: 0,
  token: "t",
  ...more,
});

Deno.test("membersOf() counts who had a certificate when the newest one was made", () => {
  const now = 100 * DAY;
  const list = [
    known("silent-for-hours", now + 1),
    known("renewed", now + DAY),
    known("gone-for-days", now - DAY),
    known("left", now + DAY, { left_ms: now }),
    known("removed", now + DAY, { removed_ms: now }),
    known("first", now + 3 * DAY, { token: undefined }),
    { ...known("without", 0), lives: [] },
  ];
  assert.deepEqual(membersOf(list, DAY), ["renewed", "silent-for-hours"]);
  assert.deepEqual(membersOf([], DAY), []);
});

Deno.test("Authority.roll() numbers the lists of members, and signs each of their fields", async () => {
  await using cluster = await TestCluster.create();
  const { authority } = cluster;
  const tls = await cluster.first("first:0:0001");
  const first = await open("first:0:0001", { tls, accept: () => true });
  const empty = (await authority.roll())!;
  assert.deepEqual([empty.number, empty.members], [1, []]);
  const { port } = first.mailbox;
  const member = await cluster.join("a:0:000a", port, { token: await cluster.token() });
  await cluster.join("b:0:000b", port, { token: await cluster.token() });
  const roll = (await authority.roll())!;
  assert.deepEqual([roll.number, roll.epoch, roll.members.length], [3, 1, 2]);
  assert.deepEqual(await authority.roll(), roll, "nothing has changed");
  assert.equal(member.roll!.number, 2, "it came with the certificates");

  const certificate = new X509Certificate(authority.certificate);
  assert.equal(await isRollOf(roll, certificate), true);
  const { members: [one, two] } = roll;
  const changed: Partial<Roll>[] = [
    { number: 4 },
    { epoch: 2 },
    { at_ms: roll.at_ms + 1 },
    { members: [one] },
    { members: [two, one] },
    { members: [one, one, two] },
    { authority: "0".repeat(64) },
    { signature: empty.signature },
    { signature: roll.signature.slice(0, -1) + "\n" },
  ];
  for (const change of changed) {
    assert.equal(
      await isRollOf({ ...roll, ...change }, certificate),
      false,
      Object.keys(change)[0],
    );
  }
  await using other = await TestCluster.create();
  assert.equal(await isRollOf(roll, new X509Certificate(other.authority.certificate)), false);
  await first.mailbox.close();
});

Deno.test("NodeTrust follows the roll of the first node, and keeps it", async () => {
  await using cluster = await TestCluster.create();
  const tls = await cluster.first("first:0:0001");
  const first = await open("first:0:0001", { tls, accept: () => true });
  await tls.listening(first.mailbox.address);
  const data = await cluster.folder();
  const { port } = first.mailbox;
  const a = await cluster.join("a:0:000a", port, { token: await cluster.token(), data });
  const listening = await open("a:0:000a", { tls: a, accept: () => true });
  await a.listening(listening.mailbox.address);
  await cluster.join("b:0:000b", port, { token: await cluster.token() });
  await until(() => a.roll?.members.length === 2, "the roll with both");
  await cluster.authority.identities.left("b:0:000b");
  await until(() => a.roll?.members.length === 1, "the roll without the one that left");
  const file = `${data}/trust/nodes/a-0.json`;
  await until(() => Deno.readTextFileSync(file).includes(a.roll!.signature), "the stored roll");
  for (const node of [first, listening]) await node.mailbox.close();
});
