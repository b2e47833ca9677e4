/**
 * Custom actors in real workers, under a real actor system in this process.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  ActorSystem,
  directoryOf,
  durableStore,
  LocalNetwork,
  type Message,
  OrreryError,
  parseGraph,
} from "../../actors/mod.ts";
import { systemClock } from "../../actors/mod.ts";
import { memoryRegistry } from "../../tests/support/memory_registry.ts";
import { TEST_MODULES } from "../../tests/support/test_modules.ts";
import { CustomActors } from "./custom_actors.ts";
import { packModule } from "./module_bundle.ts";

const UNRULY = fileURLToPath(new URL("../../tests/support/unruly_actors.ts", import.meta.url));

interface World {
  system: ActorSystem;
  /** Another node of the cluster. */
  far: ActorSystem;
  crashes: string[];
  ask(message: Message, key?: string): Promise<unknown>;
}

/**
 * An unruly actor named `a` (the entry's other fields as given), and with `pair` another one named
 * `b`; `edges` are the graph's.
 */
async function withActors(
  entry: Record<string, unknown>,
  use: (world: World) => Promise<void>,
  registry = memoryRegistry(),
): Promise<void> {
  const { edges = [], pair = false, ...fields } = entry;
  const custom = [
    { name: "a", module: UNRULY, ...fields },
    ...(pair ? [{ name: "b", module: UNRULY }] : []),
  ];
  const graph = parseGraph(JSON.stringify({ model: "m", actors: { custom }, edges }), {
    file: "g.yaml",
  });
  const actors = await CustomActors.load(graph, { file: "g.yaml", modules: TEST_MODULES });
  const crashes: string[] = [];
  const network = new LocalNetwork();
  const store = await durableStore(registry);
  const systemAt = (node: string) =>
    new ActorSystem({
      transport: network.connect(node),
      directory: directoryOf(() => "here"),
      clock: systemClock,
      random: () => 0.25,
      leaseEpoch: store.leaseEpoch,
      onCrash: (_, error) => crashes.push(error.message),
    });
  const [system, far] = ["here", "there"].map(systemAt);
  try {
    actors.register(system, store);
    await use({
      system,
      far,
      crashes,
      ask: (message, key = "x") => system.ask(`graph/a/${key}`, message),
    });
  } finally {
    await Promise.all([system.close(), far.close()]);
    await actors.close();
  }
}

const attempt = async ({ ask }: World, what: string, arg = "") =>
  await ask({ type: "attempt", what, arg }) as { done?: unknown; failed?: string };

async function problemOf(promise: Promise<unknown>): Promise<OrreryError> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof OrreryError, String(error));
    return error;
  }
  assert.fail("it did not fail");
}

Deno.test("CustomActors gives a worker no permission that its graph does not grant", async () => {
  await withActors({}, async (world) => {
    const denied = {
      fetch: "http://127.0.0.1:9999/",
      read: UNRULY,
      import: `http://127.0.0.1:9999/x.js`,
      env: "HOME",
      write: "/tmp/never-written",
      run: "",
      sys: "",
    };
    for (const [what, arg] of Object.entries(denied)) {
      assert.match(
        (await attempt(world, what, arg)).failed ?? "allowed",
        /Requires \w+ access/,
        what,
      );
    }
    for (const what of ["worker", "kill", "kill_by_node", "caches"]) {
      assert.match(
        (await attempt(world, what)).failed ?? "allowed",
        /not for custom actors|undefined|not a constructor/,
        what,
      );
    }
  });
});

Deno.test("CustomActors gives a worker the permissions that its graph grants, and no more", async () => {
  const dir = await Deno.makeTempDir({ prefix: "orrery-test-" });
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    () => new Response("hello"),
  );
  const host = `127.0.0.1:${server.addr.port}`;
  try {
    await Deno.mkdir(join(dir, "open"));
    await Deno.writeTextFile(join(dir, "open", "note.txt"), "granted");
    await Deno.writeTextFile(join(dir, "secret.txt"), "denied");
    const permissions = { net: [host], read: [join(dir, "open")], env: ["HOME"] };
    await withActors({ permissions }, async (world) => {
      assert.deepEqual(await attempt(world, "fetch", `http://${host}/`), { done: "hello" });
      assert.deepEqual(await attempt(world, "read", join(dir, "open", "note.txt")), {
        done: "granted",
      });
      assert.deepEqual(await attempt(world, "env", "HOME"), {
        done: Deno.env.get("HOME") ?? "(not set)",
      });
      const denied = { fetch: "http://127.0.0.1:1/", read: join(dir, "secret.txt"), env: "PATH" };
      for (const [what, arg] of Object.entries(denied)) {
        assert.match(
          (await attempt(world, what, arg)).failed ?? "allowed",
          /Requires \w+ access|blocked/,
          what,
        );
      }
    });
  } finally {
    await server.shutdown();
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("CustomActors gives a worker state, config, timers, time and randomness as any actor has them", async () => {
  await withActors({ config: { start: 40 } }, async ({ system, ask }) => {
    await ask({ type: "add", n: 2 });
    assert.equal(await ask({ type: "read" }), 42);
    assert.equal(await ask({ type: "read" }, "other"), 40, "another key is another actor");
    const before = systemClock.now();
    const world = await ask({ type: "world" }) as { self: string; now: number; random: number[] };
    assert.equal(world.self, "graph/a/x");
    assert.ok(world.now >= before && world.now <= systemClock.now());
    const again = await ask({ type: "world" }, "other") as typeof world;
    assert.deepEqual(world.random, again.random, "the seed comes from the system");
    assert.notEqual(world.random[0], world.random[1]);
    const inbox = system.inbox("graph/c/inbox");
    await ask({ type: "later", to: "graph/c/inbox" });
    assert.deepEqual((await inbox.next(AbortSignal.timeout(30_000)))?.body, { n: 5 });
    await ask({ type: "bye", to: "graph/c/inbox" });
    await ask({ type: "stop" });
    assert.deepEqual(
      (await inbox.next(AbortSignal.timeout(30_000)))?.body,
      { count: 42 },
      "it says goodbye",
    );
    inbox.close();
    assert.equal(await ask({ type: "read" }), 40, "the next message makes a new activation");
  });
});

Deno.test("CustomActors lets an actor ask others of its graph, and nobody else", async () => {
  await withActors({ pair: true }, async ({ system, ask }) => {
    await system.tell("graph/b/y", { type: "add", n: 7 });
    assert.equal(await ask({ type: "ask", to: "graph/b/y", message: { type: "read" } }), 7);
    for (const to of ["orrery/cluster/main", "default/member/here"]) {
      const error = await problemOf(ask({ type: "ask", to, message: { type: "status" } }));
      assert.equal(error.code, "not_permitted");
      assert.match(
        error.message,
        new RegExp(`\\(a\\) may write to actors of its graph.* not to ${to}`),
      );
    }
    const late = await problemOf(
      ask({ type: "ask", to: "graph/b/y", message: { type: "never" }, deadline: 20 }),
    );
    assert.equal(late.code, "deadline_exceeded");
  });
});

Deno.test("CustomActors refuses a message that does not fit, says why, and the actor goes on", async () => {
  await withActors({
    messages: ["add", "read", "refuse", "answer", "large"],
    limits: { message_bytes: 2048 },
  }, async ({ ask, crashes }) => {
    await ask({ type: "add", n: 3 });
    const cases: [Message, string, RegExp][] = [
      [{ type: "nothing" }, "unknown_message", /a has no message nothing; it has add, read/],
      [{ type: "loop" }, "unknown_message", /a has no message loop/],
      [
        { type: "add", n: "two" },
        "invalid_message",
        /message add to graph\/a\/x: n: .*expected number/,
      ],
      [
        { type: "large", text: "x".repeat(3000) },
        "invalid_message",
        /has 30\d\d bytes, 2048 are allowed/,
      ],
      [
        { type: "answer", kind: "large" },
        "too_large",
        /the answer of graph\/a\/x to answer has 200\d\d bytes, 2048/,
      ],
      [{ type: "answer", kind: "function" }, "bad_answer", /cannot be sent: .*could not be cloned/],
      [{ type: "refuse" }, "no_wish", /^it does not want to$/],
    ];
    for (const [message, code, text] of cases) {
      const error = await problemOf(ask(message));
      assert.equal(error.code, code, error.message);
      assert.match(error.message, text);
    }
    assert.equal(await ask({ type: "answer", kind: "nothing" }), undefined);
    assert.equal(await ask({ type: "read" }), 3);
    assert.deepEqual(crashes, []);
  });
});

Deno.test("CustomActors gives an actor behind the model a state for each answer, until the answer's end", async () => {
  const edges = [{ from: "generation", to: "a" }, { from: "a", to: "api" }];
  await withActors({ edges, messages: ["delta"] }, async ({ system, ask }) => {
    const texts = [];
    for (const key of ["one", "two", "one"]) {
      texts.push(await ask({ type: "delta", text: key }, key));
    }
    assert.deepEqual(texts, [{ text: "one1" }, { text: "two1" }, { text: "one2" }]);
    assert.deepEqual(
      await ask({ type: "end" }, "one"),
      { text: "" },
      "its module has no such message",
    );
    while (system.status().some((a) => a.address.endsWith("/one"))) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    assert.deepEqual(system.status().map((a) => a.address), ["graph/a/two"]);
  });
});

Deno.test("CustomActors lets other nodes send what requests and clients need, and nothing else", async () => {
  const far = (world: World, to: string, message: Message) =>
    world.far.ask(to, message, { deadlineMs: 30_000 }).then(() => "answered", (e) => e.code);
  const edges = [{ from: "generation", to: "a" }, { from: "a", to: "api" }];
  await withActors({ edges, pair: true }, async (world) => {
    assert.equal(await far(world, "graph/a/one", { type: "delta", text: "x" }), "answered");
    assert.equal(await far(world, "graph/a/one", { type: "read" }), "not_allowed");
    assert.equal(await far(world, "graph/a/one", { type: "end" }), "answered");
    assert.equal(await far(world, "graph/b/main", { type: "read" }), "not_allowed");
  });
  await withActors({ expose: true, messages: ["read"] }, async (world) => {
    assert.equal(await far(world, "graph/a/main", { type: "read" }), "answered");
    assert.equal(await far(world, "graph/a/main", { type: "throw" }), "unknown_message");
  });
});

Deno.test("CustomActors aborts the handler's signal when the asker cancels", async () => {
  await withActors({ pair: true }, async ({ system }) => {
    const inbox = system.inbox("graph/c/inbox");
    const abort = new AbortController();
    // Its worker runs already: a question that is cancelled before it begins never reaches the
    // handler.
    for (const to of ["graph/a/x", "graph/b/y"]) await system.ask(to, { type: "read" });
    const asked = system.ask("graph/a/x", { type: "cancelled", to: "graph/c/inbox" }, {
      signal: abort.signal,
    });
    asked.catch(() => {});
    await system.ask("graph/b/y", { type: "read" }); // meanwhile the question is on its way
    abort.abort(new Error("enough"));
    await assert.rejects(asked, /enough/);
    assert.deepEqual((await inbox.next(AbortSignal.timeout(30_000)))?.body, { n: 100 });
    inbox.close();
  });
});

const crashing: Record<string, RegExp> = {
  throw: /it broke/,
  loop: /it computed for more than 1500 ms without a pause/,
  hoard: /it took \d+ MiB of memory, 32 MiB are granted/,
};
for (const [type, reason] of Object.entries(crashing)) {
  Deno.test(`CustomActors restarts an actor whose handler crashes by "${type}", and the node goes on`, async () => {
    const limits = { compute_seconds: 1.5, memory_bytes: 32 * 2 ** 20 };
    await withActors({ limits, pair: true }, async ({ system, ask, crashes }) => {
      await ask({ type: "add", n: 1 });
      const [crash, other] = await Promise.all([
        problemOf(ask({ type })),
        system.ask("graph/b/y", { type: "read" }),
      ]);
      assert.equal(other, 0);
      assert.equal(crash.public, false);
      assert.match(crash.message, reason);
      assert.equal(await ask({ type: "read" }), 0, "what it knew is gone");
      assert.equal(crashes.length, 1);
    });
  });
}

Deno.test("CustomActors treats what breaks between two messages as a crash too", async () => {
  await withActors({ limits: { answer_seconds: 0.5 } }, async ({ ask, crashes }) => {
    for (
      const [type, reason] of [["fail_later", /its timer broke/], [
        "reject_later",
        /nobody caught it/,
      ]] as const
    ) {
      const before = crashes.length;
      await ask({ type: "add", n: 1 });
      await ask({ type }).catch(() => {}); // the worker may be gone before it has answered
      while (crashes.length === before) await ask({ type: "read" }).catch(() => {});
      assert.match(crashes[before], reason);
      assert.equal(await ask({ type: "read" }), 0);
    }
  });
});

Deno.test("CustomActors ends a handler that never ends", async () => {
  await withActors({ limits: { answer_seconds: 0.3 } }, async ({ ask }) => {
    assert.match(
      (await problemOf(ask({ type: "never" }))).message,
      /handler never has not ended within 300 ms/,
    );
  });
});

Deno.test("CustomActors answers one bad input with a crash as often as it comes, and others as ever", async () => {
  await withActors({}, async ({ ask, crashes }) => {
    for (let i = 0; i < 6; i++) {
      const [thrown, count] = await Promise.all([
        problemOf(ask({ type: "throw" })),
        ask({ type: "read" }),
      ]);
      assert.equal(thrown.code, "internal", thrown.message);
      assert.equal(count, 0);
    }
    assert.equal(crashes.length, 6, "its policy tolerates two");
  });
});

Deno.test("CustomActors refuses messages after too many crashes that no message is to blame for", async () => {
  await withActors({}, async ({ ask, crashes }) => {
    const end = Date.now() + 30_000;
    let refused = "";
    while (refused !== "actor_failed") {
      await ask({ type: "fail_later" }).catch(() => {});
      refused = await ask({ type: "read" }).then(() => "", (error) => error.code);
      assert.ok(Date.now() < end, `${crashes.length} crashes`);
    }
    assert.equal(crashes.length, 3);
  });
});

Deno.test("CustomActors gives a worker a state and alarms that outlive crashes, stops and restarts", async () => {
  const registry = memoryRegistry();
  await withActors({}, async ({ ask, crashes }) => {
    assert.equal(await ask({ type: "save", n: 2 }), 2);
    await problemOf(ask({ type: "save_and_throw" }));
    assert.equal(await ask({ type: "save", n: 1 }), 3, "a crash takes back its own change");
    assert.equal(crashes.length, 1);
    assert.equal(await ask({ type: "saved" }), 3);
    await ask({ type: "stop" });
    await ask({ type: "wake", in: 5, note: "soon", name: "x" });
    while ((await kept(ask)).rung.length === 0) await new Promise((r) => setTimeout(r, 5));
    assert.deepEqual(await kept(ask), { saved: 3, rung: ["soon by x"], alarms: [] });
    await ask({ type: "wake", in: 3_600_000, note: "never", name: "gone" });
    assert.equal(await ask({ type: "unset", name: "gone" }), true);
    await ask({ type: "wake", in: 300, note: "later", name: "y" });
    await ask({ type: "wake", in: 3_600_000, note: "far", name: "z" });
  }, registry);
  await withActors({}, async ({ ask }) => {
    while ((await kept(ask)).rung.length === 1) await new Promise((r) => setTimeout(r, 5));
    const rung = ["soon by x", "later by y"];
    assert.deepEqual(await kept(ask), { saved: 3, rung, alarms: ["z"] });
  }, registry);
});

Deno.test("CustomActors holds a worker's state and alarms to the limits of its entry", async () => {
  await withActors({ state: 1024, alarms: 1 }, async ({ ask, crashes }) => {
    await ask({ type: "wake", in: 1e6, note: "one" });
    const many = await problemOf(ask({ type: "wake", in: 1e6, note: "two" }));
    assert.equal(many.code, "too_many_alarms");
    const value = { saved: 1, rung: ["x".repeat(2000)] };
    const large = await problemOf(ask({ type: "set", value }));
    assert.match(large.message, /has 20\d\d bytes as JSON, 1024 are allowed/);
    const wrong = await problemOf(ask({ type: "set", value: { saved: "x", rung: [] } }));
    assert.equal(wrong.code, "bad_state", wrong.message);
    assert.deepEqual(crashes, []);
  });
});

const kept = async (ask: World["ask"]) =>
  await ask({ type: "kept" }) as { saved: number; rung: string[]; alarms: string[] };

Deno.test("CustomActors.load() refuses an entry that does not fit its module, and names it", async () => {
  const api = [{ from: "api", to: "a" }, { from: "a", to: "generation" }];
  const cases: [string, Record<string, unknown>, RegExp, unknown[]?][] = [
    ["bad_module", { module: "https://example.com/a.ts" }, /must be a file/],
    ["bad_config", { config: { start: "soon" } }, /config\.start: .*expected number/],
    [
      "bad_actor",
      { messages: ["read", "write"] },
      /its entry lists message write, and its module has none/,
    ],
    [
      "bad_actor",
      { permissions: { read: ["../".repeat(40)] } },
      /is the whole machine, which cannot be granted/,
    ],
    ["bad_actor", { alarms: 0 }, /its module sets alarms, and its entry allows none/],
    [
      "bad_actor",
      {},
      /between api and generation, which takes message request, and its module has none/,
      api,
    ],
  ];
  for (const [code, entry, text, edges = []] of cases) {
    const custom = [{ name: "a", module: UNRULY, ...entry }];
    const graph = parseGraph(JSON.stringify({ model: "m", actors: { custom }, edges }), {
      file: "g.yaml",
    });
    const error = await problemOf(
      CustomActors.load(graph, { file: "g.yaml", modules: TEST_MODULES }),
    );
    assert.equal(error.code, code, error.message);
    assert.ok(error.message.startsWith("g.yaml: actors.custom[0] (a)"), error.message);
    assert.match(error.message, text);
  }
});

Deno.test("CustomActors.load() refuses a module that is no actor, and says in one line why", async () => {
  const dir = await Deno.makeTempDir({ prefix: "orrery-test-" });
  const modules: Record<string, [string | undefined, RegExp]> = {
    "missing.ts": [undefined, /Module not found/],
    "syntax.ts": ["export default {", /SyntaxError/],
    "throws.ts": ["throw new Error('not today');", /not today/],
    "none.ts": [
      "export const x = 1;",
      /it has no default export; expected `export default defineActor/,
    ],
    "other.ts": ["export default { kind: 'x' };", /its default export is no actor/],
  };
  try {
    for (const [name, [source, why]] of Object.entries(modules)) {
      if (source !== undefined) await Deno.writeTextFile(join(dir, name), source);
      const custom = [{ name: "odd", module: `./${name}` }];
      const file = join(dir, "g.yaml");
      const graph = parseGraph(JSON.stringify({ model: "m", actors: { custom } }), { file });
      const { message } = await problemOf(
        CustomActors.load(graph, { file, modules: TEST_MODULES }),
      );
      assert.ok(message.startsWith(`${file}: actors.custom[0] (odd): module `), message);
      assert.match(message, why);
      assert.doesNotMatch(message, /\n/);
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("CustomActors.load() takes a module whose file is missing from the node that packed it", async () => {
  const custom = [{ name: "a", module: "/nowhere/unruly_actors.ts" }];
  const text = JSON.stringify({ model: "m", actors: { custom } });
  const graph = parseGraph(text, { file: "g.yaml" });
  const { bytes, sha256 } = await packModule(UNRULY);
  const options = { file: "g.yaml", modules: TEST_MODULES };
  const missing = await problemOf(CustomActors.load(graph, options));
  assert.match(missing.message, /Module not found: \/nowhere\/unruly_actors\.ts/);
  const packed = (name: string) => Promise.resolve(name === "a" ? { bytes, sha256 } : undefined);
  const loaded = await CustomActors.load(graph, { ...options, packed });
  assert.equal(loaded.actors[0].order.sha256, sha256);
  await loaded.close();
});
