import assert from "node:assert/strict";
import { Authority, readKey, signRoll } from "../trust/mod.ts";
import { fingerprint, type TestMember, TestVoters } from "../../tests/support/succession.ts";
import { type Ballot, derOf, makeRecord, signVote, verifyRecord } from "./record.ts";

const refused = (why: RegExp) => (error: Error & { code?: string }) => {
  assert.equal(error.code, "bad_succession", String(error));
  assert.match(error.message, why);
  return true;
};

Deno.test("verifyRecord() believes more than half of the members, and says whom they chose", async () => {
  await using voters = await TestVoters.create(3);
  const [a, b, c] = voters.members;
  const known = await voters.known();
  for (const by of [[a, b], [a, c], [a, b, c]]) {
    const ballot = await voters.ballot(a);
    const succession = await verifyRecord(await voters.record(ballot, by), known);
    assert.deepEqual([succession.epoch, succession.candidate], [2, ballot.candidate]);
    assert.equal(succession.from, voters.cluster.authority.fingerprint);
    assert.equal(succession.fingerprint, fingerprint(ballot.authority));
    assert.equal(derOf(succession.authority), ballot.authority);
  }
});

Deno.test("verifyRecord() refuses too few votes, doubled ones, and those of others", async (t) => {
  await using voters = await TestVoters.create(4);
  const [a, b, c, d] = voters.members;
  const { authority } = voters.cluster;
  const ballot = await voters.ballot(a);
  const known = await voters.known();
  const check = async (
    name: string,
    why: RegExp,
    { by = [a, b, c], ...change }: Partial<Ballot> & { by?: TestMember[] },
    knows = known,
  ) =>
    await t.step(name, async () => {
      const record = await voters.record({ ...ballot, ...change }, by);
      await assert.rejects(verifyRecord(record, knows), refused(why));
    });
  await check("one of four", /1 of 4 members/, { by: [a] });
  await check("half", /2 of 4 members .* not more than half/, { by: [a, b] });
  await check("without the candidate", /the candidate has not voted/, { by: [b, c, d] });
  await check("the same member twice", /votes twice/, { by: [a, a, b] });
  await check("an epoch that is over", /does not follow epoch 1/, { epoch: 1 });
  await check("the old authority again", /new authority/, {
    authority: derOf(authority.certificate),
  });
  await check("a node's certificate as authority", /new authority/, {
    authority: derOf(b.certificate),
  });
  await check("a candidate from nowhere", /is no member/, {
    candidate: { ...ballot.candidate, identity: "0".repeat(64) },
  });

  await t.step("votes of another cluster", async () => {
    await using other = await TestVoters.create(4);
    const [x, y, z] = other.members;
    const theirs = await other.record(await other.ballot(x), [x, y, z]);
    await verifyRecord(theirs, await other.known());
    await assert.rejects(verifyRecord(theirs, known), refused(/another cluster/));
    const mixed = await voters.record(ballot, [a, y, z]);
    await assert.rejects(verifyRecord(mixed, known), refused(/not on its roll/));
    const posing = await voters.record(ballot, [
      a,
      { ...b, certificate: y.certificate, key: y.key },
      c,
    ]);
    await assert.rejects(verifyRecord(posing, known), refused(/not on its roll/));
  });
  await t.step("votes for something else", async () => {
    const record = await voters.record(ballot, [a, b, c]);
    const elsewhere = await voters.record(await voters.ballot(a), [a, b, c]);
    await assert.rejects(
      verifyRecord({ ...record, votes: elsewhere.votes }, known),
      refused(/is for something else/),
    );
  });
  await t.step("a roll that the candidate has made shorter", async () => {
    const roll = { ...ballot.roll, members: [a.identity] };
    await assert.rejects(
      voters.record({ ...ballot, roll }, [a]).then((record) => verifyRecord(record, known)),
      refused(/roll is not signed/),
    );
    const own = await signRoll(a.key, roll);
    await assert.rejects(
      voters.record({ ...ballot, roll: own }, [a]).then((record) => verifyRecord(record, known)),
      refused(/roll is not signed/),
    );
  });
  await t.step("a certificate that had expired", async () => {
    const past = await Authority.open({ data: voters.cluster.data, certificateMs: -60_000 });
    const expired = [];
    for (const n of ["x", "y"]) expired.push(await voters.add(`${n}:0:0bad`, past));
    const { roll: _, ...rest } = ballot;
    // Their identities are on the roll all the same: the check of the roll is not what refuses them.
    const members = voters.members.map((m) => m.identity).sort();
    const authority = await Authority.open({ data: voters.cluster.data });
    const key = await privateKeyOf(voters.cluster.data);
    const roll = await signRoll(key, { ...(await authority.roll())!, number: 99, members });
    const late = { ...rest, roll };
    await assert.rejects(
      voters.record(late, [a, b, c, expired[0]]).then((r) => verifyRecord(r, { ...known, roll })),
      refused(/certificate of x:0:0bad had expired when the roll was signed/),
    );
  });
});

Deno.test("verifyRecord() counts by the newest roll that is known, without removed members", async () => {
  await using voters = await TestVoters.create(1);
  const [a] = voters.members;
  // Alone on the first roll, a hostile member keeps it for later.
  const early = await voters.ballot(a);
  for (const n of [1, 2, 3]) await voters.add(`n${n}:0:000${n}`);
  const [, b, c, d] = voters.members;
  const alone = await voters.record(early, [a]);
  await assert.rejects(verifyRecord(alone, await voters.known()), refused(/1 of 4 members/));

  const ballot = await voters.ballot(a);
  const before = await voters.known();
  const record = await voters.record(ballot, [a, b, c]);
  await verifyRecord(record, before);
  // Three of four are two of three when one of them was removed, and one of two after the second.
  const { identities } = voters.cluster.authority;
  await identities.remove(b.identity);
  await verifyRecord(record, await voters.known());
  await verifyRecord(record, { ...before, revoked: [b.identity] });
  await identities.remove(c.identity);
  await assert.rejects(
    verifyRecord(record, await voters.known()),
    refused(/1 of 2 members/),
  );
  // The candidate itself.
  await assert.rejects(
    verifyRecord(record, { ...before, revoked: [a.identity] }),
    refused(/is no member/),
  );
  assert.ok(d);
});

Deno.test("verifyRecord() refuses a record of which any byte was changed", async () => {
  await using voters = await TestVoters.create(2);
  const known = await voters.known();
  const [a, b] = voters.members;
  const ballot = await voters.ballot(a);
  const text = JSON.stringify(makeRecord(ballot, [
    await signVote(ballot, a),
    await signVote(ballot, b),
  ]));
  await verifyRecord(JSON.parse(text), known);
  let parsed = 0;
  // Every 7th character, so that the test stays short; where it begins changes from run to run.
  const step = 7;
  for (let at = Math.floor(Math.random() * step); at < text.length; at += step) {
    const changed = text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ 1) +
      text.slice(at + 1);
    let value: unknown;
    try {
      value = JSON.parse(changed);
    } catch {
      continue; // no JSON any more
    }
    parsed++;
    await assert.rejects(verifyRecord(value, known), refused(/./), `character ${at}: ${changed}`);
  }
  assert.ok(parsed > 200, `only ${parsed} changes left a JSON text`);
});

Deno.test("verifyRecord() refuses a record that lacks a field, or has one more", async () => {
  await using voters = await TestVoters.create(1);
  const known = await voters.known();
  const record = await voters.record(await voters.ballot(voters.members[0]), voters.members);
  await verifyRecord(record, known);
  const value = record as unknown as Record<string, unknown>;
  for (const name of Object.keys(value)) {
    const { [name]: _, ...rest } = value;
    await assert.rejects(verifyRecord(rest, known), refused(/field/));
  }
  await assert.rejects(verifyRecord({ ...value, more: 1 }, known), refused(/more/));
  for (const other of [undefined, null, [], "record", { ...value, votes: [] }]) {
    await assert.rejects(verifyRecord(other, known), refused(/field/));
  }
});

/** The key of the authority of a folder. */
async function privateKeyOf(data: string) {
  const text = await Deno.readTextFile(`${data}/trust/authority.json`);
  return await readKey(JSON.parse(text).authority.key);
}
