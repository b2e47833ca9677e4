/**
 * Who on other nodes may send what: every kind of actor, every message, every sort of sender. The
 * table in docs/callers.md is compared with the definitions.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import {
  type AnyActor,
  anyNode,
  arbiterActor,
  callerRule,
  clusterActor,
  drafterActor,
  generationActor,
  hasCode,
  headActor,
  journalActor,
  memberActor,
  memberAddress,
  registryActor,
  serversActor,
  stageActor,
  thisNode,
  weightsActor,
} from "../actors/mod.ts";
import { homeActor } from "../runtime/custom/actor_home.ts";
import { modelActor } from "../runtime/custom/model_actor.ts";
import { readImports } from "./support/imports.ts";
import { Gate } from "../actors/system/gate.ts";
import { CASES, custom, directoryOf, EVERYBODY, NODES, SENDERS } from "./support/callers_cases.ts";

const KINDS: AnyActor[] = [
  clusterActor,
  memberActor,
  weightsActor,
  stageActor,
  headActor,
  drafterActor,
  arbiterActor,
  generationActor,
  journalActor,
  registryActor,
  serversActor,
  modelActor,
  homeActor,
];

Deno.test("KINDS has every kind that the product defines", async () => {
  const { files } = await readImports(join(import.meta.dirname!, ".."));
  const defined: string[] = [];
  for (const file of files) {
    const text = await Deno.readTextFile(join(import.meta.dirname!, "..", file));
    for (const [, kind] of text.matchAll(/= defineActor\(\{\s*kind: "(\w+)"/g)) {
      if (!file.startsWith("actors/system/")) defined.push(kind); // its examples
    }
  }
  assert.deepEqual(defined.sort(), KINDS.map((a) => a.kind).sort());
});

Deno.test("callers has a rule for every message of every kind of the product", () => {
  const bare = [...KINDS, custom(["request", "other"], ["request"])].flatMap((actor) =>
    Object.keys(actor.messages)
      .filter((message) => callerRule(actor, message) === undefined)
      .map((message) => `${actor.kind}.${message}`)
  );
  assert.deepEqual(bare, []);
});

for (const { kind } of [...KINDS, custom([], [])]) {
  Deno.test(`Gate.pass() lets exactly the right senders reach ${kind} actors`, () => {
    const mine = CASES.filter((c) => c.actor.kind === kind);
    assert.ok(mine.length > 0);
    for (const { actor, to, at, message, body = {}, allowed } of mine) {
      const gate = new Gate(at, directoryOf(at));
      // A node needs no rule for its own actors.
      const others = EVERYBODY.filter((name) => SENDERS[name].peer !== at);
      const passed = others.filter((name) => {
        const { peer, from } = SENDERS[name];
        const envelope = { kind: "tell" as const, id: 1, to, from, type: message, body };
        try {
          gate.pass(peer, envelope, callerRule(actor, message));
          return true;
        } catch (error) {
          assert.ok(hasCode(error, "not_allowed"), `${name}: ${error}`);
          return false;
        }
      });
      const wanted = allowed.filter((name) => others.includes(name));
      assert.deepEqual(passed, wanted, `${message} to ${to}, ${JSON.stringify(body)}`);
    }
  });
}

Deno.test("CASES has every message of every kind", () => {
  const tried = new Set(CASES.map((c) => `${c.actor.kind}.${c.message}`));
  const all = KINDS.flatMap((a) =>
    Object.keys(a.messages).map((message) => `${a.kind}.${message}`)
  );
  assert.deepEqual(all.filter((name) => !tried.has(name)), []);
});

Deno.test("Gate.pass() refuses every sender that is not on the node that sends", () => {
  const gate = new Gate("n3", directoryOf("n3"));
  for (const { peer, from } of Object.values(SENDERS)) {
    if (from === "" || from === SENDERS.unknown.from) continue;
    for (const other of NODES) {
      if (other === peer || other === "n3") continue;
      const envelope = { kind: "ask" as const, id: 1, from, type: "echo", body: {} };
      assert.throws(
        () => gate.pass(other, { ...envelope, to: memberAddress("n3") }, anyNode),
        (error) => hasCode(error, "forged_sender"),
        `${from} from ${other}`,
      );
    }
  }
});

/** The rows of docs/callers.md: kind, messages and who may send them. */
function rows(actor: AnyActor): string[] {
  const byRule = Map.groupBy(
    Object.keys(actor.messages),
    (message) => (callerRule(actor, message) ?? thisNode).who,
  );
  return [...byRule].map(([who, messages]) =>
    `${actor.kind} | ${messages.map((m) => `\`${m}\``).join(", ")} | ${who}`
  );
}

Deno.test("docs/callers.md lists who may send what, as the definitions say", async () => {
  const page = await Deno.readTextFile(join(import.meta.dirname!, "../docs/callers.md"));
  const listed = [...page.matchAll(/^\| `([a-z_]+)` +\| (`.*?`) +\| (.*?) +\|$/gm)]
    .map(([, kind, messages, who]) => `${kind} | ${messages} | ${who}`);
  assert.deepEqual(listed, KINDS.flatMap(rows));
});
