/**
 * One behaviour suite over the matrix {in process, HTTP/2} x {one node, three}: an actor cannot
 * tell the difference.
 */
import assert from "node:assert/strict";
import { z } from "zod";
import {
  ActorSystem,
  address,
  anyNode,
  arbiterActor,
  arbiterAddress,
  defineActor,
  directoryOf,
  fromFloat32,
  generationActor,
  hasCode,
  LocalNetwork,
  OrreryError,
  samplingSchema,
  shapeSchema,
  stageActor,
  stageAddress,
  tensorSchema,
  type Transport,
} from "../actors/mod.ts";
import { evenSplit } from "../planner/mod.ts";
import { createMailbox, systemClock } from "../runtime/mod.ts";
import { toyAnswer, ToyEngine } from "./support/toy_engine.ts";

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** What the subject's handler of `hold` tells, and waits for: both are in this process. */
class Hold {
  readonly begun = Promise.withResolvers<void>();
  readonly over = Promise.withResolvers<void>();
  static current = new Hold();

  /** For the next `hold`. */
  static next(): Hold {
    return Hold.current = new Hold();
  }
}

const subject = defineActor({
  kind: "subject",
  config: z.object({}),
  messages: {
    put: z.object({ n: z.number() }),
    all: z.object({}),
    hold: z.object({}),
    echo: z.object({ tensor: tensorSchema, list: z.instanceof(Int32Array), nested: z.unknown() }),
    refuse: z.object({}),
    crash: z.object({}),
    jump: z.object({ n: z.number() }),
  },
  callers: anyNode,
  urgent: ["jump"],
  policy: { mailbox: 8, restarts: { max: 1000, withinMs: 1000 } },
  create() {
    const seen: (number | string)[] = [];
    return {
      put: ({ n }) => void seen.push(n),
      all: () => seen,
      hold: async (_, { signal }) => {
        const { begun, over } = Hold.current;
        const aborted = () => (seen.push("aborted"), over.resolve());
        if (signal.aborted) aborted();
        else signal.addEventListener("abort", aborted, { once: true });
        begun.resolve();
        await over.promise;
        signal.throwIfAborted();
      },
      echo: (message) => message,
      refuse: () => {
        throw new OrreryError({
          group: "test",
          code: "refused",
          message: "no",
          metadata: { bytes: 7 },
        });
      },
      crash: () => {
        throw new RangeError("secret detail");
      },
      jump: ({ n }) => void seen.push(`jump ${n}`),
    };
  },
});

interface World {
  systems: ActorSystem[];
  /** Where the callers are, and where the subject is. */
  caller: ActorSystem;
  host: ActorSystem;
}

const NAMES = ["a", "b", "c"];

async function transports(kind: "in process" | "HTTP/2", names: string[]): Promise<Transport[]> {
  if (kind === "in process") {
    const network = new LocalNetwork();
    return names.map((n) => network.connect(n));
  }
  const mailboxes = await Promise.all(names.map((node) => createMailbox({ node })));
  for (const m of mailboxes) {
    for (const other of mailboxes) {
      if (other !== m) m.addPeer(other.node, other.address.host, other.address.port);
    }
  }
  return mailboxes;
}

/**
 * Subjects, generations and the arbiter live on the last node; stage i on node i modulo their
 * number.
 */
function matrix(name: string, run: (world: World) => Promise<void>): void {
  for (const kind of ["in process", "HTTP/2"] as const) {
    for (const nodes of [1, 3]) {
      Deno.test(`${name} [${kind}, ${nodes} node(s)]`, async () => {
        const names = NAMES.slice(0, nodes);
        const directory = directoryOf((to) => {
          const [, actor, key] = to.split("/");
          if (actor === "stage") return names[Number(key) % nodes];
          return actor === "client" ? names[0] : names[nodes - 1];
        });
        const systems = (await transports(kind, names)).map((transport) =>
          new ActorSystem({ transport, directory, clock: systemClock, random: Math.random })
        );
        for (const system of systems) system.register(subject, { config: {} });
        try {
          await run({ systems, caller: systems[0], host: systems[nodes - 1] });
        } finally {
          await Promise.all(systems.map((s) => s.close({ deadlineMs: 1_000 })));
        }
      });
    }
  }
}

const S = address("t", "subject", "one");

matrix(
  "ActorSystem.tell() keeps the order of one sender's messages, each once",
  async ({ caller }) => {
    const sends = [];
    for (let n = 0; n < 2_000; n++) sends.push(caller.tell(S, { type: "put", n }));
    await Promise.all(sends);
    assert.deepEqual(
      await caller.ask(S, { type: "all" }),
      Array.from({ length: 2_000 }, (_, i) => i),
    );
  },
);

matrix(
  "ActorSystem.ask() carries tensors, typed arrays and nested values unchanged",
  async ({ caller }) => {
    const values = Float32Array.from({ length: 300_000 }, (_, i) => Math.sin(i));
    values[5] = NaN;
    values[6] = -0;
    const message = {
      tensor: fromFloat32([300, 1000], values.slice()),
      list: Int32Array.of(1, -2, 2 ** 31 - 1),
      nested: { text: "grüße 👋", flag: true, none: null, deep: [{ big: 2 ** 40, small: 1.5 }] },
    };
    const back = await caller.ask(S, { type: "echo", ...message }) as typeof message;
    assert.deepEqual(back.tensor.shape, [300, 1000]);
    assert.deepEqual(new Float32Array(back.tensor.data.slice().buffer), values);
    assert.deepEqual(back.list, message.list);
    assert.deepEqual(back.nested, message.nested);
  },
);

matrix("ActorSystem.tell() waits while the receiver is busy", async ({ caller, host }) => {
  const { begun, over } = Hold.next();
  const holding = caller.ask(S, { type: "hold" });
  await begun.promise;
  let accepted = 0;
  const sends = Array.from(
    { length: 500 },
    (_, n) => caller.tell(S, { type: "put", n }).then(() => accepted++),
  );
  await sleep(100);
  assert.ok(accepted <= 40, `${accepted} of 500 were accepted`);
  const [status] = host.status();
  assert.ok(status.queued <= 40, `${status.queued} queued`);
  over.resolve();
  await holding;
  await Promise.all(sends);
  assert.equal((await caller.ask(S, { type: "all" }) as unknown[]).length, 500);
});

matrix("ActorSystem.ask() ends at its deadline and tells the handler", async ({ caller }) => {
  // On a busy machine the deadline may have passed before the message is there.
  let begun = false;
  for (let deadlineMs = 50; !begun; deadlineMs *= 2) {
    void Hold.next().begun.promise.then(() => begun = true);
    await assert.rejects(
      caller.ask(S, { type: "hold" }, { deadlineMs }),
      (e) => hasCode(e, "deadline_exceeded"),
    );
  }
  assert.equal((await caller.ask(S, { type: "all" }) as unknown[]).at(-1), "aborted");
});

matrix("ActorSystem.ask() tells the handler when its signal aborts", async ({ caller }) => {
  const abort = new AbortController();
  const { begun } = Hold.next();
  const ask = caller.ask(S, { type: "hold" }, { signal: abort.signal });
  void begun.promise.then(() => abort.abort(new Error("not wanted")));
  await assert.rejects(ask, /not wanted/);
  assert.deepEqual(await caller.ask(S, { type: "all" }), ["aborted"]);
});

matrix(
  "ActorSystem.ask() throws the handler's typed error, and the actor keeps its state",
  async ({ caller }) => {
    await caller.tell(S, { type: "put", n: 1 });
    await assert.rejects(
      caller.ask(S, { type: "refuse" }),
      (e) => hasCode(e, "refused") && e.metadata.bytes === 7 && e.group === "test",
    );
    assert.deepEqual(await caller.ask(S, { type: "all" }), [1]);
  },
);

matrix(
  "ActorSystem.ask() throws an internal error when the actor crashes, which begins anew",
  async ({ caller, host }) => {
    await caller.tell(S, { type: "put", n: 1 });
    await assert.rejects(
      caller.ask(S, { type: "crash" }),
      (e) => hasCode(e, "internal") && (caller === host || !e.message.includes("secret")),
    );
    assert.deepEqual(await caller.ask(S, { type: "all" }), []);
  },
);

matrix(
  "ActorSystem.ask() lets an urgent message overtake those that wait",
  async ({ caller }) => {
    const { begun, over } = Hold.next();
    const holding = caller.ask(S, { type: "hold" });
    await begun.promise;
    const sends = Array.from({ length: 100 }, (_, n) => caller.tell(S, { type: "put", n }));
    // What was sent earlier has arrived when another actor there answers.
    const arrived = () => caller.ask(address("t", "subject", "two"), { type: "all" });
    await arrived();
    await caller.tell(S, { type: "jump", n: 1 });
    await arrived();
    over.resolve();
    await Promise.all([holding, ...sends]);
    assert.equal((await caller.ask(S, { type: "all" }) as unknown[])[0], "jump 1");
  },
);

matrix(
  "ActorSystem.ask() refuses what the receiver cannot handle and keeps a dead letter",
  async ({ caller, systems }) => {
    for (const message of [{ type: "put", n: "one" }, { type: "unheard" }]) {
      await assert.rejects(
        caller.ask(S, message),
        (e) => hasCode(e, "invalid_message") || hasCode(e, "unknown_message"),
      );
      await caller.tell(S, message).catch(() => {}); // refused at once where the receiver is here
    }
    await assert.rejects(
      caller.ask("t/nobody/x", { type: "put" }),
      (e) => hasCode(e, "unknown_kind"),
    );
    await caller.ask(S, { type: "all" });
    if (systems.length > 1) assert.ok(systems.some((s) => s.deadLetters().total >= 2));
  },
);

matrix(
  "generationActor gives its tokens through three stages and leaves nothing behind",
  async ({ caller, host, systems }) => {
    const engines: ToyEngine[] = [];
    const ranges = evenSplit(6, 3);
    for (const system of systems) {
      system.register(stageActor, {
        config: stageActor.config.parse({}),
        resources: (to) => ({
          engine: () => {
            const engine = new ToyEngine(systemClock, {
              ...ranges[Number(to.split("/")[2])],
              layers: 6,
            }, 0);
            engines.push(engine);
            return Promise.resolve(engine);
          },
        }),
      });
      system.register(generationActor, {
        config: generationActor.config.parse({}),
        resources: () => ({
          codec: () => ({
            push: (t: number) => ({ text: `${t} `, stopped: false }),
            flush: () => "",
            tokenText: String,
          }),
          outline: () => undefined,
        }),
      });
      system.register(arbiterActor, {
        config: arbiterActor.config.parse({ idleMs: 50, touchMs: 20 }),
        resources: () => ({
          pipeline: {
            stages: [0, 1, 2].map((i) => stageAddress("t", i)),
            shape: shapeSchema.parse({}),
            capacity_rows: 512,
          },
        }),
      });
    }
    const prompt = Int32Array.from({ length: 50 }, (_, i) => i * 7 % 251);
    const client = address("t", "client", "me");
    using inbox = caller.inbox(client, { capacity: 2, callers: anyNode });
    await host.tell(address("t", "generation", "g"), {
      type: "start",
      prompt,
      max_tokens: 12,
      sampling: samplingSchema.parse({}),
      stop: [],
      eos: [],
      arbiter: arbiterAddress("t", "pipeline"),
      stages: 3,
      nodes: systems.length,
      context: 4096,
      mode: "plain",
      pieces: [8],
      client,
    });
    let text = "";
    for await (const { type, body } of inbox) {
      if (type !== "delta") break;
      text += (body as { text: string }).text;
    }
    assert.equal(text, (await toyAnswer(prompt, 12, 6)).map((t) => `${t} `).join(""));
    for (let i = 0; i < 100 && engines.some((e) => e.arenas.size > 0); i++) await sleep(10);
    assert.deepEqual(engines.map((e) => e.arenas.size), [0, 0, 0]);
  },
);
