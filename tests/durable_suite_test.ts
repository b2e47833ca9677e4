/**
 * What durable actors promise, over {in process, HTTP/2} x {a registry in memory, Deno KV}, and
 * over etcd where the machine has one.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import {
  type ActorSystem,
  anyNode,
  createSystem,
  directoryOf,
  durableStore,
  hasCode,
  LocalNetwork,
  OrreryError,
  type Registry,
  type Transport,
} from "../actors/mod.ts";
import { createMailbox } from "../runtime/mod.ts";
import { openRegistry } from "../runtime/registry/mod.ts";
import { plain, tally } from "./support/durable_actors.ts";
import { ETCD, EtcdCluster } from "./support/etcd_server.ts";
import { memoryRegistry } from "./support/memory_registry.ts";

const A = "default/tally/a";
const code = (wanted: string) => (error: unknown) => hasCode(error, wanted);
const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

interface World {
  registry: Registry;
  /** Asks from another node, or from here. */
  ask(type: string, fields?: object, key?: string): Promise<unknown>;
  host: ActorSystem;
  caller: ActorSystem;
  /** Ends the host as a killed process ends, or properly, and starts another over the same data. */
  restart(how: "killed" | "closed"): Promise<void>;
  crashes: string[];
}

async function kvRegistry(undo: AsyncDisposableStack): Promise<Registry> {
  const data = await Deno.makeTempDir({ prefix: "orrery-test-" });
  undo.defer(() => Deno.remove(data, { recursive: true }));
  await Deno.mkdir(join(data, "registry"));
  const registry = await openRegistry("embedded", { data });
  undo.defer(() => registry.close());
  return registry;
}

async function withWorld(
  transport: "in process" | "HTTP/2",
  registry: Registry,
  run: (world: World) => Promise<void>,
): Promise<void> {
  await using undo = new AsyncDisposableStack();
  const network = new LocalNetwork();
  let lives = 0;
  let host: ActorSystem;
  const directory = directoryOf((to) => to.startsWith("default/inbox/") ? "caller" : host.node);
  const crashes: string[] = [];
  const mailboxes = new Map<string, Awaited<ReturnType<typeof createMailbox>>>();
  const connect = async (node: string): Promise<Transport> => {
    if (transport === "in process") return network.connect(node);
    const mailbox = await createMailbox({ node });
    for (const other of mailboxes.values()) {
      mailbox.addPeer(other.node, other.address.host, other.address.port);
      other.addPeer(node, mailbox.address.host, mailbox.address.port);
    }
    mailboxes.set(node, mailbox);
    return mailbox;
  };
  const start = async () => {
    const node = `host-${++lives}`;
    return createSystem([tally, plain], {
      transport: await connect(node),
      directory: directoryOf((to) => to.startsWith("default/inbox/") ? "caller" : node),
      durable: await durableStore(registry),
      onCrash: (_, { message }) => crashes.push(message),
    });
  };
  host = await start();
  const caller = createSystem([], { transport: await connect("caller"), directory });
  const systems = [host, caller];
  undo.defer(async () => {
    await Promise.all(systems.map((system) => system.close({ deadlineMs: 500 })));
  });
  await run({
    registry,
    caller,
    crashes,
    get host() {
      return host;
    },
    ask: (type, fields = {}, idempotencyKey) =>
      caller.ask(A, { ...fields, type }, { idempotencyKey, deadlineMs: 10_000 }),
    async restart(how) {
      const old = host;
      if (how === "closed") {
        mailboxes.delete(old.node);
        await old.close({ deadlineMs: 2_000 });
      }
      host = await start();
      systems.push(host);
    },
  });
}

/** A promise of the suite. */
interface Case {
  name: string;
  run(world: World): Promise<void>;
}

const cases: Case[] = [
  {
    name: "its state outlives a crash, a stop and a restart, and a crash takes back its own change",
    async run({ ask, restart, crashes }) {
      assert.equal(await ask("add", { n: 2 }), 2);
      await assert.rejects(ask("crash"), code("internal"));
      assert.equal(await ask("read"), 2, "after a crash");
      await assert.rejects(ask("inPlace"), code("internal"));
      assert.equal(await ask("read"), 2, "it cannot be changed in place");
      assert.equal(crashes.length, 2);
      await assert.rejects(ask("refuse"), code("refused"));
      assert.equal(await ask("read"), 3, "an error on purpose is an answer");
      await ask("stop");
      assert.equal(await ask("add"), 4, "after a stop");
      await restart("closed");
      assert.equal(await ask("read"), 4, "after a restart");
      await restart("killed");
      assert.equal(await ask("add"), 5, "after a kill");
    },
  },
  {
    name: "no answer leaves before its change is saved",
    async run({ ask, registry, restart }) {
      const answers = await Promise.all(Array.from({ length: 200 }, () => ask("add")));
      assert.deepEqual(answers, Array.from({ length: 200 }, (_, i) => i + 1));
      const { entries: [entry] } = await registry.list("state/default/tally/a/");
      assert.equal(JSON.parse(new TextDecoder().decode(entry.value)).state.count, 200);
      await restart("killed");
      assert.equal(await ask("read"), 200);
    },
  },
  {
    name: "what it sends leaves after what it changed before is saved",
    async run({ ask, caller, registry }) {
      const inbox = caller.inbox("default/inbox/x", { callers: anyNode });
      const asked = ask("spread", { to: "default/inbox/x" });
      const message = await inbox.next(AbortSignal.timeout(10_000));
      assert.deepEqual(message?.body, { n: 1 });
      const { entries: [entry] } = await registry.list("state/default/tally/a/");
      assert.equal(JSON.parse(new TextDecoder().decode(entry.value)).state.count, 1);
      await asked;
      inbox.close();
    },
  },
  {
    name: "a message with a key is handled once, whatever happens between",
    async run({ ask, restart, caller }) {
      assert.equal(await ask("add", {}, "k1"), 1);
      assert.equal(await ask("add", {}, "k1"), 1, "the answer is kept");
      assert.equal(await ask("add", {}, "k2"), 2);
      await assert.rejects(ask("refuse", {}, "k3"), code("refused"));
      await assert.rejects(ask("refuse", {}, "k3"), code("refused"));
      assert.equal(await ask("read"), 3, "an error is kept, too");
      await restart("killed");
      assert.equal(await ask("add", {}, "k1"), 1, "after a kill");
      const twice = await Promise.all([ask("add", {}, "k4"), ask("add", {}, "k4")]);
      assert.deepEqual(twice, [4, 4], "two at a time");
      await caller.tell(A, { type: "add" }, { idempotencyKey: "k5" });
      await caller.tell(A, { type: "add" }, { idempotencyKey: "k5" });
      assert.equal(await ask("read"), 5, "a tell has been handled when it resolves");
      for (let i = 0; i < 128; i++) await ask("add", {}, `more-${i}`);
      assert.equal(await ask("add", {}, "k1"), 134, "of 129 keys the oldest is forgotten");
      assert.equal(await ask("add", {}, "more-127"), 133, "the newest is not");
      await assert.rejects(ask("add", {}, ""), code("bad_key"));
      await assert.rejects(
        caller.ask("default/plain/a", { type: "add" }, { idempotencyKey: "k" }),
        code("keeps_no_answers"),
      );
    },
  },
  {
    name: "alarms ring in order, also after a restart, and late ones at once",
    async run({ ask, restart }) {
      // All in one message, so that none rings before the next is set, however slow the machine.
      const now = await ask("wakes", {
        alarms: [
          { inMs: 40, note: "2" },
          { inMs: 20, note: "1" },
          { inMs: 3_600_000, note: "never", name: "far" },
          { inMs: 60, note: "replaced", name: "x" },
          { inMs: 60, note: "3", name: "x" },
        ],
      }) as number;
      await until(async () => (await ask("rung") as string[]).length === 3);
      assert.deepEqual(await ask("rung"), ["1", "2", "3"]);
      const soon = Date.now() + 30;
      for (const [i, note] of ["4", "5", "6"].entries()) await ask("wake", { at: soon + i, note });
      await restart("closed");
      await sleep(60); // they are late
      await until(async () => (await ask("rung") as string[]).length === 6);
      assert.deepEqual(await ask("rung"), ["1", "2", "3", "4", "5", "6"]);
      assert.deepEqual(await ask("alarms"), [{ name: "far", at: now + 3_600_000 }]);
      assert.equal(await ask("unset", { name: "far" }), true);
      assert.equal(await ask("unset", { name: "far" }), false);
      assert.deepEqual(await ask("alarms"), []);
    },
  },
  {
    name: "an alarm activates an actor that nobody writes to",
    async run({ ask, restart, registry }) {
      await ask("wake", { at: Date.now() + 50, note: "alone" });
      await restart("closed");
      const state = async () => {
        const { entries } = await registry.list("state/default/tally/a/");
        return JSON.parse(new TextDecoder().decode(entries.at(-1)!.value)).state?.rung ?? [];
      };
      await until(async () => (await state()).length === 1);
      assert.deepEqual(await state(), ["alone"]);
      await until(async () => (await registry.list("alarms/")).entries.length === 0);
    },
  },
  {
    name: "an alarm that sets itself anew goes on, and one whose handler crashes comes again",
    async run({ ask, crashes }) {
      await ask("again", { note: "tick", left: 3 });
      await until(async () => (await ask("rung") as string[]).length === 4);
      await ask("wake", { at: 0, note: "crash" });
      await until(async () => (await ask("rung") as string[]).includes("crash"));
      assert.deepEqual(await ask("rung"), ["tick", "tick", "tick", "tick", "tried", "crash"]);
      assert.deepEqual(crashes, ["a defect"]);
      assert.deepEqual(await ask("alarms"), []);
    },
  },
  {
    name: "what does not fit is refused with a sentence, and the actor goes on",
    async run({ ask, caller }) {
      const refused = async (asked: Promise<unknown>) => {
        const error = await asked.then(() => assert.fail("it was taken"), (e) => e);
        assert.ok(error instanceof OrreryError);
        return `${error.code}: ${error.message}`;
      };
      assert.match(
        await refused(ask("set", { value: { count: "one", rung: [] } })),
        /^bad_state: the state that .*\/a sets does not fit: count: .*expected number/,
      );
      assert.match(
        await refused(ask("large", { bytes: 70_000 })),
        /^too_large: .* has 700\d\d bytes as JSON, 65536 are allowed/,
      );
      assert.match(
        await refused(ask("wake", { at: -1, note: "x" })),
        /^bad_alarm: .* its time is -1; expected a Date or milliseconds since 1970/,
      );
      assert.match(
        await refused(ask("wake", { at: 1, note: "x".repeat(5_000) })),
        /^bad_alarm: .* its message has 50\d\d characters, 4096 are allowed/,
      );
      for (let i = 0; i < 64; i++) await ask("wake", { at: Date.now() + 1e9, note: `${i}` });
      assert.match(
        await refused(ask("wake", { at: Date.now() + 1e9, note: "65" })),
        /^too_many_alarms: .* has 64 alarms, which is the limit/,
      );
      const to = "default/plain/a";
      assert.match(
        await refused(caller.ask(to, { type: "state" })),
        /^not_declared: .* its definition has no state/,
      );
      assert.match(
        await refused(caller.ask(to, { type: "alarm" })),
        /^not_declared: .* add alarms: true/,
      );
      await ask("add", { n: 5 });
      await ask("clear");
      assert.equal(await ask("read"), 0);
    },
  },
  {
    name: "two owners: the later one goes on, and the earlier one is told that it did not save",
    async run({ ask, host, restart }) {
      assert.equal(await ask("add"), 1);
      const old = host;
      await restart("killed");
      assert.equal(await ask("add"), 2);
      // The old system is still there, and believes that it owns the actor.
      await assert.rejects(old.ask(A, { type: "add" }), code("state_not_saved"));
      await assert.rejects(old.ask(A, { type: "add" }), code("stale_epoch"));
      assert.equal(await ask("read"), 2);
      assert.equal(await ask("add"), 3);
    },
  },
];

async function until(done: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + 10_000;
  while (!await done()) {
    if (Date.now() > end) assert.fail("it did not happen within 10 s");
    await sleep(5);
  }
}

for (const { name, run } of cases) {
  const places = [["in process", "memory"], ["HTTP/2", "memory"], [
    "in process",
    "Deno KV",
  ]] as const;
  for (const [transport, registry] of places) {
    Deno.test(`durable actors: ${name} [${transport}, ${registry}]`, async () => {
      await using undo = new AsyncDisposableStack();
      const opened = registry === "memory" ? memoryRegistry() : await kvRegistry(undo);
      await withWorld(transport, opened, run);
    });
  }
}

Deno.test({
  name: `durable actors: all of it over etcd${
    ETCD ? "" : ", skipped: there is no etcd on the PATH"
  }`,
  ignore: ETCD === undefined,
  async fn(t) {
    await using cluster = await EtcdCluster.start(1);
    const registry = await openRegistry(cluster.url(), { data: "" });
    for (const { name, run } of cases) {
      await t.step(name, () => withWorld("in process", registry, run));
      const { entries } = await registry.list("");
      await registry.transact({ deletes: entries.map(({ key }) => key) });
    }
    await registry.close();
  },
});
