import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { hasCode } from "../../actors/mod.ts";
import { SuccessionWorld } from "../../tests/support/succession.ts";
import { until } from "../../tests/support/transport_suite.ts";
import { createKey, fileRecords, identityOf, signAuthority } from "../trust/mod.ts";
import { askVote, tellRecord } from "./ask_members.ts";
import { type Ballot, checkVote, derOf, makeRecord, signVote } from "./record.ts";
import { startRole } from "./start_role.ts";

const refused = (why: RegExp) => (error: unknown) => {
  assert.ok(hasCode(error, "not_promoted"), String(error));
  assert.match((error as Error).message, why);
  return true;
};

Deno.test("NodeSuccession makes a member the first node, whom the others follow without a token", async (t) => {
  await using world = await SuccessionWorld.create(3);
  const { first, members: [a, b, c] } = world;
  const old = first.trust.authority;

  await t.step("not while the first node lives", async () => {
    world.firstAnswers = "127.0.0.1:1";
    await assert.rejects(
      a.succession.promote(),
      refused(/the first node answers at 127\.0\.0\.1:1/),
    );
    world.firstAnswers = undefined;
    await assert.rejects(a.succession.promote(), refused(/try again in 60 s/));
    world.lostMs = 59_999;
    await assert.rejects(a.succession.promote(), refused(/try again in 1 s/));
    setTimeout(() => world.firstAnswers = "127.0.0.1:2", 20);
    await assert.rejects(
      a.succession.promote(5_000),
      refused(/first node answers at 127\.0\.0\.1:2/),
    );
    world.firstAnswers = undefined;
    assert.equal(a.trust.authority, old);
  });
  await world.loseFirst();
  const succession = await a.succession.promote();
  assert.deepEqual([succession.epoch, succession.candidate.node], [2, a.id]);

  await t.step("the new first node signs with an authority of its own", async () => {
    await a.trust.lead();
    assert.equal(a.trust.signs, true);
    assert.notEqual(a.trust.authority, old);
    assert.equal(a.trust.authority, succession.fingerprint);
    assert.equal(a.trust.roll!.epoch, 2);
    a.succession.announce();
  });
  await t.step("the others hear of it, and get certificates by their own keys", async () => {
    await until(() => b.followed.length > 0 && c.followed.length > 0, "the record at all members");
    for (const node of [b, c]) {
      const [{ authority, candidate }] = node.followed;
      await node.trust.move(authority, candidate);
      assert.equal(node.trust.authority, succession.fingerprint);
    }
    assert.deepEqual(
      a.trust.roll!.members.length,
      2,
      "the old first node is no member until it is back",
    );
    b.mailbox.mailbox.addPeer(c.id, "127.0.0.1", c.mailbox.mailbox.port);
    await b.mailbox.mailbox.send(c.id, { kind: "reply", id: 7, body: null });
    await until(() => c.mailbox.ids().includes(7), "a message between members");
  });
  await t.step("a new node joins with a token of the new first node", async () => {
    const folder = await Deno.makeTempDir({ prefix: "orrery-test-" });
    const fresh = await world.start("new:0:00ff", folder, a);
    assert.equal(fresh.trust.authority, succession.fingerprint);
    await fresh.kill();
    world.nodes.pop();
    await Deno.remove(folder, { recursive: true });
  });
  await t.step("the old first node comes back as a member, and stays one", async () => {
    const role = await startRole({ data: first.data, node: first.id });
    assert.match(role!.why!, /^node n0:0:0000 is the first node of the cluster since epoch 2/);
    assert.deepEqual(role!.join, a.mailbox.mailbox.address);
    const back = await world.start(first.id, first.data, undefined, role!.join);
    assert.equal(back.trust.authority, succession.fingerprint);
    assert.equal((await fileRecords(first.data).authority.read()).authority, undefined);
    const known = (await a.trust.identities())!;
    assert.equal(known.length, 5, "each node is in the list once, the new one too");
    await back.kill();
    world.nodes.pop();
    const again = await startRole({ data: first.data, node: first.id });
    assert.deepEqual(again!.join, role!.join);
    assert.match(again!.why!, /use another --data/);
  });
  await t.step(
    "a member that was away follows, and the promoted one starts as the first",
    async () => {
      await a.kill();
      const join = first.mailbox.mailbox.address;
      assert.match((await startRole({ data: a.data, node: a.id, join }))!.why!, /was promoted/);
      assert.equal((await startRole({ data: a.data, node: a.id, join }))!.join, undefined);
    },
  );
});

Deno.test("NodeSuccession lets at most one of two candidates win, and the loser says what to do", async () => {
  await using world = await SuccessionWorld.create(4, 5_000);
  const { members: [a, b, c, d] } = world;
  await world.loseFirst();
  const results = await Promise.allSettled([a.succession.promote(), b.succession.promote()]);
  const won = results.filter((r) => r.status === "fulfilled");
  assert.ok(won.length <= 1, "two nodes were promoted");
  for (const result of results) {
    if (result.status !== "rejected") continue;
    const { message } = result.reason as Error;
    assert.match(
      message,
      /of 4 members vote for it, and 3 must|it has just voted for|is the first node already/,
    );
    assert.match(message, /promote|follows it now/);
  }
  if (won.length === 1) return;
  // Neither has more than half. After the time in which a vote holds, one is promoted again.
  await new Promise((resolve) => setTimeout(resolve, 5_100));
  const { epoch } = await b.succession.promote();
  assert.ok(epoch >= 3);
  assert.ok(c && d);
});

Deno.test("NodeSuccession gives a hostile member no vote while the first node lives, and none twice", async (t) => {
  await using world = await SuccessionWorld.create(3);
  const { members: [evil, b, c], first } = world;
  const cluster = first.trust.known;
  const signer = { key: evil.trust.key.key, certificate: evil.trust.client.cert };
  const known = () => ({ ...cluster, roll: b.trust.roll });
  const address = evil.mailbox.mailbox.address;
  const identity = identityOf(new X509Certificate(signer.certificate));
  const ballot = async (more: Partial<Ballot> = {}): Promise<Ballot> => ({
    epoch: 2,
    authority: derOf(await signAuthority(await createKey())),
    roll: b.trust.roll!,
    candidate: { node: evil.id, identity, ...address },
    ...more,
  });
  const noVote = (why: RegExp) => (error: unknown) => {
    assert.ok(hasCode(error, "no_vote") || hasCode(error, "bad_succession"), String(error));
    assert.match((error as Error).message, why);
    return true;
  };
  const ask = async (node: typeof b, asked: Ballot, by = signer) =>
    await askVote(node.mailbox.mailbox.address, asked, await signVote(asked, by));

  await t.step("while the first node lives", async () => {
    for (const node of [b, c, first]) {
      await assert.rejects(ask(node, await ballot()), noVote(/votes after 60 s of silence/));
    }
    const alone = await ballot();
    const record = makeRecord(alone, [await signVote(alone, signer)]);
    for (const node of [b, c, first]) {
      await assert.rejects(
        tellRecord(node.mailbox.mailbox.address, record),
        noVote(/1 of 3 members/),
      );
      assert.deepEqual(node.followed, []);
    }
  });
  await t.step("alone, once the first node is dead", async () => {
    await world.loseFirst();
    const alone = await ballot();
    const own = await signVote(alone, signer);
    // The vote of another for something else, and its own one again.
    const other = await signVote(await ballot({ epoch: 3 }), {
      key: b.trust.key.key,
      certificate: b.trust.client.cert,
    });
    for (const votes of [[own], [own, own], [own, other]]) {
      const record = makeRecord(alone, votes);
      await assert.rejects(tellRecord(c.mailbox.mailbox.address, record), noVote(/./));
    }
    assert.deepEqual(c.followed, []);
  });
  await t.step("for another, in another's name, or far ahead", async () => {
    const target = await ballot({
      candidate: { node: c.id, identity: known().roll!.members[0], ...address },
    });
    await assert.rejects(ask(b, target), noVote(/asks for votes for another node|is no member/));
    await assert.rejects(ask(b, await ballot({ epoch: 1000 })), noVote(/too far ahead/));
    await assert.rejects(ask(b, await ballot({ epoch: 1 })), noVote(/does not follow/));
    const old = { ...b.trust.roll!, members: [identity] };
    await assert.rejects(
      ask(b, await ballot({ roll: old })),
      noVote(/not signed by the authority/),
    );
  });
  await t.step("two authorities in one epoch, or two nodes within a minute", async () => {
    const one = await ballot();
    const vote = await ask(b, one);
    assert.deepEqual(
      (await checkVote(one, vote, new X509Certificate(cluster.authority))).node,
      b.id,
    );
    await ask(b, one); // the answer was lost: asked again, it is given again
    await assert.rejects(ask(b, await ballot()), noVote(/has voted for n0:0:0000 in epoch 2/));
    const honest = { key: c.trust.key.key, certificate: c.trust.client.cert };
    const rival = await ballot({
      epoch: 3,
      candidate: {
        node: c.id,
        identity: identityOf(new X509Certificate(honest.certificate)),
        ...c.mailbox.mailbox.address,
      },
    });
    await assert.rejects(ask(b, rival, honest), noVote(/it has just voted for n0:0:0000/));
  });
});

Deno.test("NodeSuccession tells a first node that was cut off that it is the first no longer", async () => {
  await using world = await SuccessionWorld.create(3);
  const { first, members: [a, b, c] } = world;
  // It lives, but nobody hears it.
  world.lostMs = 60_000;
  const succession = await a.succession.promote();
  assert.equal(first.followed.length, 0);
  await a.trust.lead();
  a.succession.announce();
  await until(
    () => [first, b, c].every((node) => node.followed.length === 1),
    "the record at all, the first node included",
  );
  assert.equal(first.followed[0].fingerprint, succession.fingerprint);
  await first.kill();
  const role = await startRole({ data: first.data, node: first.id });
  assert.deepEqual(role!.join, a.mailbox.mailbox.address);
});

Deno.test("standAsFirst() and finishPromotion() go on where a process died, and never half", async (t) => {
  await using world = await SuccessionWorld.create(3);
  const { members: [a, b, c] } = world;
  await world.loseFirst();
  const authorityFile = `${a.data}/trust/authority.json`;

  await t.step("before it has votes: it is a member, and may be promoted again", async () => {
    for (const node of [b, c]) await node.mailbox.mailbox.close({ deadlineMs: 0 });
    await assert.rejects(a.succession.promote(), refused(/1 of 3 members vote for it, and 2 must/));
    await a.kill();
    const join = { host: "127.0.0.1", port: 1 };
    assert.equal(await startRole({ data: a.data, node: a.id, join }), undefined);
    await assert.rejects(Deno.stat(authorityFile), Deno.errors.NotFound);
  });
  for (const step of ["successions", "tokens", "identities", "authority"]) {
    await t.step(
      `where ${step}.json cannot be written: it is the first node at its next start`,
      async () => {
        await using world = await SuccessionWorld.create(1);
        const { members: [a] } = world;
        await world.loseFirst();
        // Its next version cannot be written, as a folder is in the way.
        const obstacle = `${a.data}/trust/${step}.json.new`;
        await Deno.mkdir(`${obstacle}/x`, { recursive: true });
        await assert.rejects(a.succession.promote(), Deno.errors.AlreadyExists);
        await a.kill();
        await Deno.remove(obstacle, { recursive: true });
        const join = { host: "127.0.0.1", port: 1 };
        const role = await startRole({ data: a.data, node: a.id, join });
        assert.match(role!.why!, /was promoted/);
        const { roll, identities, tokens, authority } = fileRecords(a.data);
        assert.deepEqual([await tokens.read(), (await roll.read()).roll], [[], undefined]);
        assert.equal((await authority.read()).authority!.epoch, 2);
        assert.equal((await identities.read()).length, 2);
        const again = await startRole({ data: a.data, node: a.id, join });
        assert.deepEqual(again, role, "a second start changes nothing");
      },
    );
  }
});
