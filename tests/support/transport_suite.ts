/**
 * The behaviour of every transport, whatever carries its messages: run over {in process, HTTP/2} x
 * {two nodes, several}.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type Envelope, hasCode, type NodeId, type Transport } from "../../actors/mod.ts";

/** Bounds that a test sets. */
export interface NetworkOptions {
  /** Unacknowledged messages before `send` waits. @default 1024 */
  windowMessages?: number;
  /**
   * Milliseconds after which a silent peer is lost, where the transport has such a bound. @default
   * 10000
   */
  peerTimeoutMs?: number;
}

/** Transports that know each other, and the means to disturb the connections between them. */
export interface Network {
  connect(node: NodeId): Promise<Transport>;
  /** Makes every node known to every other. */
  join(): void;
  /** Breaks every connection once; they may be restored at once. */
  flap(): Promise<void>;
  /** Messages to the node stay under way until `resume`. */
  stall(node: NodeId): void;
  resume(node: NodeId): void;
  /** The node ends without closing its connections. */
  crash(node: NodeId): Promise<void>;
  close(): Promise<void>;
}

/** Makes an empty network. */
export type NetworkFactory = (options: NetworkOptions) => Promise<Network>;

/** A transport and the messages that it received. */
class Station {
  readonly received: { from: NodeId; n: number; envelope: Envelope }[] = [];
  readonly lost: { peer: NodeId; reason: string; undelivered: Envelope[] }[] = [];

  constructor(readonly transport: Transport) {
    transport.start({
      receive: (from, envelope) => this.received.push({ from, n: numberOf(envelope), envelope }),
      peerLost: (peer, reason, undelivered) => this.lost.push({ peer, reason, undelivered }),
    });
  }

  from(peer: NodeId): number[] {
    return this.received.filter((message) => message.from === peer).map((message) => message.n);
  }
}

/** A message that is recognised by its number. */
export function tell(n: number, payload: unknown = null): Envelope {
  return {
    kind: "tell",
    id: 0,
    to: "d/sink/0",
    from: "d/source/0",
    type: "number",
    body: { n, payload },
  };
}

function numberOf(envelope: Envelope): number {
  return envelope.kind === "tell" ? (envelope.body as { n: number }).n : -1;
}

/** Polls until the condition holds; fails after `ms` with what was waited for. */
export async function until(
  condition: () => boolean,
  what: string | (() => string),
  ms = 20_000,
): Promise<void> {
  const end = performance.now() + ms;
  while (!condition()) {
    if (performance.now() > end) {
      assert.fail(`waited ${ms} ms for ${typeof what === "string" ? what : what()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

function range(n: number, start = 0): number[] {
  return Array.from({ length: n }, (_, i) => start + i);
}

/** Deterministic 32-bit pseudo-random numbers (xorshift). */
function random(seed: number): () => number {
  let x = seed;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) / 2 ** 32;
  };
}

/** Registers the suite for one kind of network with `count` nodes (two at least). */
export function transportSuite(name: string, factory: NetworkFactory, count: number): void {
  const ids = range(count).map((i) => `node-${i}`);
  const [a, b] = ids;

  function test(
    what: string,
    options: NetworkOptions,
    body: (net: Network, on: Record<NodeId, Station>) => Promise<void>,
  ) {
    Deno.test(
      `Transport (${name}, ${count} nodes) ${what}`,
      { sanitizeOps: true, sanitizeResources: true },
      async () => {
        const net = await factory(options);
        try {
          const stations: Record<NodeId, Station> = {};
          for (const id of ids) stations[id] = new Station(await net.connect(id));
          net.join();
          await body(net, stations);
        } finally {
          await net.close();
        }
      },
    );
  }

  test("delivers each sender's messages in order, once", {}, async (_net, on) => {
    const n = 300;
    for (const i of range(n)) {
      for (const from of ids) {
        for (const to of ids) {
          if (to !== from) void on[from].transport.send(to, tell(i, "x".repeat(i)));
        }
      }
    }
    for (const to of ids) {
      for (const from of ids) {
        if (from === to) continue;
        await until(
          () => on[to].from(from).length >= n,
          () => `${on[to].from(from).length} of ${n} at ${to} from ${from}`,
        );
        assert.deepEqual(on[to].from(from), range(n));
      }
    }
  });

  test("carries typed arrays, text and nested values unchanged", {}, async (_net, on) => {
    const payload = {
      text: "Größe, 大小, 🪐",
      list: [0, -1, 23, 24, 255, 256, 65536, 2 ** 40, -(2 ** 40), 0.5, -0.1, true, false, null],
      small: new Int32Array([1, -2, 3]),
      floats: Float32Array.from({ length: 5000 }, (_, i) => i / 7),
      bytes: Uint8Array.from({ length: 100_000 }, (_, i) => i * 31),
      empty: { list: [], map: {}, bytes: new Uint8Array() },
    };
    await on[a].transport.send(b, tell(1, payload));
    await until(() => on[b].received.length === 1, "the message");
    const { envelope } = on[b].received[0];
    assert.deepEqual(envelope, tell(1, payload));
  });

  test("neither loses nor repeats a message when connections break", {}, async (net, on) => {
    const n = 2000;
    const sending = ids.slice(1).map(async (from) => {
      for (const i of range(n)) {
        await on[from].transport.send(a, tell(i, new Uint8Array(i % 3000)));
        if (i % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      }
    });
    for (let flap = 0; flap < 5; flap++) {
      await until(() => on[a].from(b).length > (flap * n) / 8, "progress");
      await net.flap();
    }
    await Promise.all(sending);
    for (const from of ids.slice(1)) {
      await until(
        () => on[a].from(from).length >= n,
        () => `${on[a].from(from).length} of ${n} from ${from}`,
      );
      assert.deepEqual(on[a].from(from), range(n));
    }
    assert.deepEqual(on[a].lost, []);
  });

  test(
    "makes send() wait when the peer stalls, and the others go on",
    { windowMessages: 16 },
    async (net, on) => {
      await on[a].transport.send(b, tell(-1));
      await until(() => on[b].received.length === 1, "the first message");
      net.stall(b);
      let admitted = 0;
      const sends = range(40).map((i) => on[a].transport.send(b, tell(i)).then(() => admitted++));
      await new Promise((resolve) => setTimeout(resolve, 50));
      // The acknowledgement of the first message may be held up by the stall too.
      assert.ok(admitted === 16 || admitted === 15, `${admitted} sends were admitted`);
      for (const other of ids.slice(2)) await on[a].transport.send(other, tell(7));
      for (const other of ids.slice(2)) {
        await until(
          () => on[other].from(a).length === 1,
          `a message at ${other}`,
        );
      }
      assert.equal(on[b].received.length, 1);
      net.resume(b);
      await Promise.all(sends);
      await until(() => on[b].received.length === 41, "the rest");
      assert.deepEqual(on[b].from(a), [-1, ...range(40)]);
    },
  );

  test(
    "gives up a waiting send() when its signal says so",
    { windowMessages: 4 },
    async (net, on) => {
      await on[a].transport.send(b, tell(-1));
      await until(() => on[b].received.length === 1, "the first message");
      net.stall(b);
      const first = range(4).map((i) => on[a].transport.send(b, tell(i)));
      const controller = new AbortController();
      const waiting = on[a].transport.send(b, tell(100), controller.signal);
      const later = on[a].transport.send(b, tell(101), controller.signal).catch((error) => error);
      const last = on[a].transport.send(b, tell(4));
      const reason = new Error("the asker went away");
      const rejected = assert.rejects(waiting, (error) => error === reason);
      await new Promise((resolve) => setTimeout(resolve, 20));
      controller.abort(reason);
      await rejected;
      assert.equal(await later, reason);
      await assert.rejects(
        on[a].transport.send(b, tell(102), controller.signal),
        (error) => error === reason,
      );
      net.resume(b);
      await Promise.all([...first, last]);
      await until(() => on[b].received.length === 6, "five messages");
      assert.deepEqual(on[b].from(a), [-1, 0, 1, 2, 3, 4]);
    },
  );

  test(
    "reports a dead peer with what it did not take",
    { peerTimeoutMs: 400, windowMessages: 5 },
    async (net, on) => {
      await on[a].transport.send(b, tell(-1));
      await until(() => on[b].received.length === 1, "the first message");
      await new Promise((resolve) => setTimeout(resolve, 30));
      net.stall(b);
      for (const i of range(5)) await on[a].transport.send(b, tell(i));
      const waiting = assert.rejects(
        on[a].transport.send(b, tell(5)),
        (error) => hasCode(error, "peer_lost"),
      );
      await net.crash(b);
      await until(() => on[a].lost.length === 1, "peerLost");
      await waiting;
      assert.equal(on[a].lost[0].peer, b);
      assert.deepEqual(on[a].lost[0].undelivered.map(numberOf), range(5));
      await assert.rejects(
        on[a].transport.send(b, tell(6)),
        (error) => hasCode(error, "peer_lost"),
      );
      for (const other of ids.slice(2)) await on[a].transport.send(other, tell(7));
      for (const other of ids.slice(2)) {
        await until(
          () => on[other].from(a).length === 1,
          `a message at ${other}`,
        );
      }
    },
  );

  test("treats a restarted peer as another one", {}, async (net, on) => {
    for (const i of range(3)) {
      await on[a].transport.send(b, tell(i));
      await on[b].transport.send(a, tell(i));
    }
    await until(
      () => on[b].received.length === 3 && on[a].received.length === 3,
      "the first messages",
    );
    await net.crash(b);
    const again = new Station(await net.connect(b));
    net.join();
    await until(() => on[a].lost.length === 1, "peerLost");
    assert.deepEqual(on[a].lost[0].peer, b);
    for (const i of range(3, 10)) {
      await on[a].transport.send(b, tell(i));
      await again.transport.send(a, tell(i));
    }
    await until(
      () => again.received.length === 3 && on[a].received.length === 6,
      "the second messages",
    );
    assert.deepEqual(again.from(a), [10, 11, 12]);
    assert.deepEqual(on[a].from(b), [0, 1, 2, 10, 11, 12]);
    assert.equal(on[a].lost.length, 1);
  });

  test("flushes on close(), and the peers hear of it", {}, async (_net, on) => {
    for (const i of range(200)) void on[a].transport.send(b, tell(i, new Uint8Array(2000)));
    await on[a].transport.close({ deadlineMs: 5000 });
    assert.deepEqual(on[b].from(a), range(200));
    await until(() => on[b].lost.length === 1, "peerLost");
    assert.deepEqual([on[b].lost[0].peer, on[b].lost[0].reason], [a, "left"]);
    await assert.rejects(on[a].transport.send(b, tell(0)), (error) => hasCode(error, "closed"));
  });

  test("refuses a peer that it does not know", {}, async (_net, on) => {
    await assert.rejects(
      on[a].transport.send("nobody", tell(0)),
      (error) => hasCode(error, "unknown_peer"),
    );
    await assert.rejects(
      on[a].transport.send(a, tell(0)),
      (error) => hasCode(error, "unknown_peer"),
    );
  });

  test("keeps 10,000 messages of mixed sizes whole and in order", {}, async (_net, on) => {
    const next = random(42);
    const sizes = [0, 10, 64, 300, 1024, 8192, 20_000];
    const sent = new Map<string, number>();
    let total = 0;
    for (let i = 0; i < 10_000; i++) {
      const from = ids[Math.floor(next() * count)];
      const to = ids[Math.floor(next() * count)];
      if (from === to) continue;
      const n = sent.get(`${from} ${to}`) ?? 0;
      sent.set(`${from} ${to}`, n + 1);
      total++;
      const size = i % 1000 === 0 ? 1_000_000 : sizes[Math.floor(next() * sizes.length)];
      await on[from].transport.send(to, tell(n, new Uint8Array(size).fill(n)));
    }
    const arrived = () => ids.reduce((sum, id) => sum + on[id].received.length, 0);
    await until(() => arrived() >= total, () => `${arrived()} of ${total}`);
    for (const [pair, n] of sent) {
      const [from, to] = pair.split(" ");
      assert.deepEqual(on[to].from(from), range(n));
    }
    for (const id of ids) {
      for (const { n, envelope } of on[id].received) {
        const { payload } = (envelope as { body: { payload: Uint8Array } }).body;
        assert.ok(
          payload.length === 0 ||
            (payload[0] === n % 256 && payload[payload.length - 1] === n % 256),
        );
      }
    }
  });
}
