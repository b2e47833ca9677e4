/**
 * A node that is a peer and keeps to nothing: what it sends was written by hand.
 */
import assert from "node:assert/strict";
import { z } from "zod";
import {
  ActorSystem,
  address,
  anyNode,
  type CallerRule,
  type Clock,
  type DeadLetter,
  defineActor,
  directoryOf,
  type Envelope,
  fieldOf,
  hasCode,
  LocalNetwork,
  REMOTE_WINDOW,
  systemClock,
  thisNode,
  type Transport,
} from "./mod.ts";
import { MOST_HELD, MOST_UNPLACED, MOST_URGENT } from "./intake.ts";

const HERE = "t/vault/here~1";
const peerIs = (who: string): CallerRule => ({ who, allows: ({ peer }) => peer === who });
const fromKeeper: CallerRule = {
  who: "a keeper",
  allows: ({ from }) => from.includes("/keeper/"),
};

/** What handlers of the vault were told of their senders. */
const seen: { type: string; from: string; peer?: string }[] = [];
let parsed = 0;

const vault = defineActor({
  kind: "vault",
  config: z.object({}),
  messages: {
    look: z.object({}),
    open: z.object({}).superRefine(() => void parsed++),
    keep: z.object({}),
    name: z.object({ who: z.string() }),
    unruled: z.object({}),
    never: z.object({}),
    stop: z.object({}),
  },
  callers: {
    look: anyNode,
    open: peerIs("friend"),
    keep: fromKeeper,
    name: { who: "the node that it names", allows: (c) => fieldOf(c.body, "who") === c.peer },
    never: anyNode,
    stop: anyNode,
  },
  urgent: ["stop"],
  create() {
    const note = (type: string) => (_: unknown, { from, peer }: { from: string; peer?: string }) =>
      void seen.push({ type, from, peer });
    return {
      look: note("look"),
      open: note("open"),
      keep: note("keep"),
      name: note("name"),
      unruled: note("unruled"),
      never: () => new Promise(() => {}),
      stop: note("stop"),
    };
  },
});

/** Node `here` with vaults, and node `evil`, of which the test writes every envelope. */
function siege(options: { transport?: (inner: Transport) => Transport; clock?: Clock } = {}) {
  seen.length = 0;
  parsed = 0;
  const network = new LocalNetwork();
  const letters: DeadLetter[] = [];
  const offences: string[] = [];
  const inner = network.connect("here");
  const transport = options.transport?.(inner) ?? inner;
  transport.refused = (peer) => void offences.push(peer);
  const system = new ActorSystem({
    transport,
    directory: directoryOf((to) => {
      const key = to.split("/")[2];
      if (!key.includes("~")) throw new Error("nobody hosts it");
      return key.split("~")[0];
    }),
    clock: systemClock,
    random: Math.random,
    onDeadLetter: (letter) => letters.push(letter),
  });
  system.register(vault, { config: {} });
  const evil = network.connect("evil");
  const heard: Envelope[] = [];
  evil.start({
    receive: (_, envelope) => void (envelope.kind === "credit" || heard.push(envelope)),
    peerLost() {},
  });
  let id = 0;
  const send = (more: Partial<Envelope> & { type?: string; to?: string; from?: string }) =>
    evil.send("here", {
      kind: "ask",
      id: ++id,
      to: HERE,
      from: "",
      type: "look",
      body: {},
      ...more,
    } as Envelope);
  /** Code of the error that answers this message; `reply`: it was taken. */
  const outcome = async (more: Parameters<typeof send>[0]) => {
    const before = heard.length;
    await send(more);
    for (let i = 0; i < 100 && heard.length === before; i++) await turn();
    const answer = heard[before];
    return answer?.kind === "error" ? answer.error.code : answer?.kind ?? "nothing";
  };
  return { network, system, evil, heard, letters, offences, send, outcome };
}

const turn = () => new Promise<void>((resolve) => setTimeout(resolve, 0));

Deno.test("Gate.pass() refuses a sender that lives on another node, and counts it", async () => {
  const { system, outcome, offences, letters } = siege();
  assert.equal(await outcome({ from: "t/keeper/friend~1", type: "keep" }), "forged_sender");
  assert.equal(await outcome({ from: "t/keeper/here~1", type: "look" }), "forged_sender");
  assert.equal(await outcome({ from: "t/keeper/evil~1", type: "keep" }), "reply");
  assert.deepEqual(offences, ["evil", "evil"]);
  assert.deepEqual(letters.map((l) => l.peer), ["evil", "evil"]);
  assert.match(
    letters[0].error.message,
    /node evil sent keep to t\/vault\/here~1 in the name of t\/keeper\/friend~1, which lives on node friend/,
  );
  assert.deepEqual(seen, [{ type: "keep", from: "t/keeper/evil~1", peer: "evil" }]);
  await system.close();
});

Deno.test("Gate.pass() gives a sender that it cannot attribute to no handler and no rule", async () => {
  const { system, outcome } = siege();
  assert.equal(await outcome({ from: "t/keeper/nobody", type: "keep" }), "not_allowed");
  assert.equal(await outcome({ from: "not an address", type: "keep" }), "not_allowed");
  assert.equal(await outcome({ from: "t/keeper/nobody", type: "look" }), "reply");
  assert.deepEqual(seen, [{ type: "look", from: "", peer: "evil" }]);
  await system.close();
});

Deno.test("Gate.pass() refuses by the kind's rule, before the body is parsed", async () => {
  const { system, outcome, offences } = siege();
  assert.equal(await outcome({ type: "open" }), "not_allowed");
  assert.equal(parsed, 0);
  assert.equal(await outcome({ type: "unruled" }), "not_allowed", "no rule: its own node alone");
  assert.equal(await outcome({ type: "name", body: { who: "friend" } }), "not_allowed");
  assert.equal(await outcome({ type: "name", body: null }), "not_allowed");
  assert.equal(await outcome({ type: "name", body: { who: "evil" } }), "reply");
  assert.equal(offences.length, 4);
  await system.ask(HERE, { type: "unruled" });
  await system.ask(HERE, { type: "open" });
  assert.deepEqual(seen.map((s) => s.type), ["name", "unruled", "open"]);
  await system.close();
});

Deno.test("Gate.pass() refuses messages to actors that do not live here", async () => {
  const { system, outcome } = siege();
  assert.equal(await outcome({ to: "t/vault/other~1" }), "not_here");
  for (let i = 0; i < 500; i++) assert.equal(await outcome({ to: `t/vault/x${i}` }), "not_here");
  assert.deepEqual(system.status(), [], "nothing was activated");
  await system.close();
});

Deno.test("Gate.pass() refuses an epoch that its own directory does not know", async () => {
  const { system, outcome } = siege();
  assert.equal(await outcome({}), "reply");
  assert.equal(await outcome({ epoch: 2 }), "unknown_epoch", "it would end the activation");
  assert.equal(await outcome({ epoch: 0 }), "stale_epoch");
  assert.equal(system.status().length, 1);
  assert.equal(await outcome({}), "reply", "and goes on");
  await system.close();
});

Deno.test("ActorSystem.inbox() hears only its own node, unless it says who else", async () => {
  const { system, outcome } = siege();
  const closed = system.inbox(address("t", "client", "here~1"));
  const open = system.inbox(address("t", "client", "here~2"), { callers: anyNode });
  assert.equal(await outcome({ to: closed.address }), "not_allowed");
  const answer = outcome({ to: open.address, type: "anything" });
  assert.equal((await open.next())?.type, "anything");
  assert.equal(await answer, "reply");
  closed.close();
  open.close();
  await system.close();
});

Deno.test("Asks.resolve() takes an answer from the node that was asked, and from no other", async () => {
  const network = new LocalNetwork();
  const [asker, friend, evil] = ["here", "friend", "evil"].map((n) => network.connect(n));
  const system = new ActorSystem({
    transport: asker,
    directory: directoryOf((to) => to.split("/")[2].split("~")[0]),
    clock: systemClock,
    random: Math.random,
  });
  system.register(vault, { config: {} });
  const asked: Envelope[] = [];
  friend.start({ receive: (_, e) => asked.push(e), peerLost() {} });
  evil.start({ receive() {}, peerLost() {} });
  const far = system.ask("t/vault/friend~1", { type: "look" }, { deadlineMs: 5_000 });
  const near = system.ask(HERE, { type: "never" }, { deadlineMs: 50 });
  while (asked.length === 0) await turn();
  for (let id = 0; id < 50; id++) {
    await evil.send("here", { kind: "reply", id, body: "forged" });
    const error = { group: "actor", code: "forged", message: "forged" };
    await evil.send("here", { kind: "error", id, error });
    await friend.send("here", { kind: "reply", id: id + 1_000, body: "of nothing" });
  }
  await assert.rejects(near, (e) => hasCode(e, "deadline_exceeded"), "asked of this very node");
  await friend.send("here", { kind: "reply", id: (asked[0] as { id: number }).id, body: "true" });
  assert.equal(await far, "true");
  await system.close({ deadlineMs: 10 });
});

Deno.test("Intake bounds a node that ignores its credits", async () => {
  const { system, outcome, send, heard } = siege();
  await send({ type: "never", kind: "tell" });
  for (let i = 0; i < 10 * MOST_HELD; i++) await send({ kind: "tell" });
  await turn();
  const codes = Map.groupBy(heard, (e) => e.kind === "error" ? e.error.code : e.kind);
  assert.deepEqual([...codes.keys()], ["over_credit"]);
  const [{ queued }] = system.status();
  assert.ok(queued <= MOST_HELD && queued >= REMOTE_WINDOW, `${queued} messages wait`);
  for (let i = 0; i < 2 * MOST_URGENT; i++) {
    await send({ kind: "tell", type: "stop", urgent: true });
  }
  await turn();
  assert.ok(system.status()[0].queued <= MOST_HELD + MOST_URGENT);
  assert.equal(await outcome({ to: "t/vault/here~2" }), "reply", "another actor still answers");
  await system.close({ deadlineMs: 10 });
});

Deno.test("Intake drops messages of a node that takes no answers, and goes on when it does", async () => {
  let held: (() => void)[] | undefined = [];
  const { system, send, heard, letters, offences, outcome } = siege({
    transport: (inner) => ({
      node: inner.node,
      start: (handlers) => inner.start(handlers),
      close: (options) => inner.close(options),
      // A window without room: sends wait until the test lets them go.
      async send(peer, envelope, signal) {
        if (held) await new Promise<void>((resolve) => held!.push(resolve));
        await inner.send(peer, envelope, signal);
      },
    }),
  });
  for (let i = 0; i < 5_000; i++) {
    await send(i % 2 ? { type: "look" } : { to: `t/unknown${i}/here~1` });
  }
  for (let i = 0; i < 100; i++) await turn();
  assert.ok(held.length <= 3 * MOST_UNPLACED, `${held.length} sends wait`);
  assert.ok(offences.length > 4_000);
  assert.equal(letters.at(-1)?.error.code, "flooded");
  assert.deepEqual(heard, []);
  const waiting = held;
  held = undefined;
  for (const go of waiting) go();
  for (let i = 0; i < 100; i++) await turn();
  assert.equal(await outcome({ type: "look", to: "t/vault/here~3" }), "reply");
  await system.close();
});

Deno.test("ActorSystem refuses an ask with the number of one that is not answered", async () => {
  const { system, send, heard } = siege();
  await send({ id: 7, type: "never" });
  await send({ id: 7, type: "look" });
  while (heard.length === 0) await turn();
  assert.equal((heard[0] as { error: { code: string } }).error.code, "id_in_use");
  await system.close({ deadlineMs: 10 });
});

Deno.test("ActorSystem keeps no more than a line of what a node says of a refused tell", async () => {
  const { system, evil, letters } = siege();
  const long = "x".repeat(100_000);
  const metadata = { refused: true, to: long, type: long, more: long };
  const error = { group: "actor", code: "no", message: "no", metadata };
  await evil.send("here", { kind: "error", id: 99, error });
  while (letters.length === 0) await turn();
  assert.ok(JSON.stringify({ ...letters[0], error: letters[0].error.toWire() }).length < 3_000);
  await system.close();
});

Deno.test("defineActor() throws for a rule of a message that the kind does not have", () => {
  const messages = { a: z.object({}) };
  const make = (callers: Record<string, CallerRule>) =>
    defineActor({ kind: "k", config: z.object({}), messages, callers, create: () => ({ a() {} }) });
  make({ a: thisNode });
  assert.throws(() => make({ b: thisNode }), /lists b, which is not one of its messages/);
});
