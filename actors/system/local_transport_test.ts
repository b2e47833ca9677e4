import assert from "node:assert/strict";
import type { Envelope, NodeId, Transport } from "./envelope.ts";
import { hasCode } from "./errors.ts";
import { LocalNetwork } from "./local_transport.ts";

function tell(id: number): Envelope {
  return { kind: "cancel", id };
}

function listen(transport: Transport): { got: string[]; lost: string[] } {
  const got: string[] = [];
  const lost: string[] = [];
  transport.start({
    receive: (from, envelope) => got.push(`${from}${(envelope as { id: number }).id}`),
    peerLost: (peer, reason, undelivered) => lost.push(`${peer} ${reason} ${undelivered.length}`),
  });
  return { got, lost };
}

/** Holds delivery steps until `run` takes them in any order. */
class Steps {
  readonly pending: { step: () => void; from: NodeId; to: NodeId }[] = [];
  readonly deliver = (step: () => void, link: { from: NodeId; to: NodeId }) => {
    this.pending.push({ step, ...link });
  };
  run(pick: (n: number) => number): void {
    while (this.pending.length) this.pending.splice(pick(this.pending.length), 1)[0].step();
  }
}

Deno.test("LocalNetwork keeps the order of each link in any schedule", async () => {
  const steps = new Steps();
  const network = new LocalNetwork({ deliver: steps.deliver });
  const [a, b, c] = ["a", "b", "c"].map((id) => network.connect(id));
  listen(a);
  listen(b);
  const { got } = listen(c);
  for (let i = 0; i < 50; i++) {
    await a.send("c", tell(i));
    await b.send("c", tell(i));
  }
  assert.deepEqual(got, []);
  let x = 7;
  steps.run((n) => (x = (x * 48271) % 2147483647) % n);
  for (const from of ["a", "b"]) {
    assert.deepEqual(
      got.filter((m) => m[0] === from),
      Array.from({ length: 50 }, (_, i) => `${from}${i}`),
    );
  }
  assert.notDeepEqual(got, got.toSorted());
});

Deno.test("LocalNetwork delivers asynchronously, and what came before start() after it", async () => {
  const network = new LocalNetwork();
  const [a, b] = [network.connect("a"), network.connect("b")];
  listen(a);
  await a.send("b", tell(1));
  await Promise.resolve();
  const { got } = listen(b);
  assert.deepEqual(got, []);
  await Promise.resolve();
  assert.deepEqual(got, ["a1"]);
});

Deno.test("LocalNetwork.crash() drops what is under way and tells the others, in order, what they lost", async () => {
  const steps = new Steps();
  const network = new LocalNetwork({ deliver: steps.deliver });
  const [a, b] = [network.connect("a"), network.connect("b")];
  const atA = listen(a);
  const atB = listen(b);
  await a.send("b", tell(1));
  await a.send("b", tell(2));
  await b.send("a", tell(1));
  network.crash("b");
  await assert.rejects(a.send("b", tell(3)), (error) => hasCode(error, "peer_lost"));
  await assert.rejects(b.send("a", tell(3)), (error) => hasCode(error, "closed"));
  const again = network.connect("b");
  const atAgain = listen(again);
  await again.send("a", tell(9));
  await a.send("b", tell(8));
  steps.run((n) => n - 1);
  assert.deepEqual([atA, atB, atAgain], [
    { got: ["b9"], lost: ["b crashed 2"] },
    { got: [], lost: [] },
    { got: ["a8"], lost: [] },
  ]);
});

Deno.test("LocalTransport.close() waits for delivery, at most until its deadline by the given clock", async () => {
  const steps = new Steps();
  const timers: (() => void)[] = [];
  const clock = {
    after: (_ms: number, fn: () => void) => {
      timers.push(fn);
      return () => {};
    },
  };
  const network = new LocalNetwork({ deliver: steps.deliver, clock });
  const [a, b, c] = ["a", "b", "c"].map((id) => network.connect(id));
  listen(a);
  listen(c);
  const { got, lost } = listen(b);
  await a.send("b", tell(1));
  const closing = a.close();
  assert.throws(() => network.connect("a"), (error) => hasCode(error, "node_exists"));
  steps.run(() => 0);
  await closing;
  assert.deepEqual([got, lost], [["a1"], ["a left 0"]]);

  network.cut("c", "b");
  await c.send("b", tell(1));
  const overdue = c.close({ deadlineMs: 5 });
  timers[1]();
  await overdue;
  steps.run(() => 0);
  assert.deepEqual([got, lost], [["a1"], ["a left 0", "c left 0"]]);
});
