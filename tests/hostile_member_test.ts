/**
 * A member that is hostile: it joins with a token as every node does, and then sends what it likes
 * over real links. Each attack is refused by name, and the nodes go on answering.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import http2 from "node:http2";
import { join } from "node:path";
import {
  arbiterAddress,
  arenaName,
  CLUSTER,
  type Deployment,
  drafterAddress,
  type Envelope,
  freshAddress,
  keyAt,
  memberAddress,
  stageAddress,
  weightsAddress,
} from "../actors/mod.ts";
import { createMailbox, type MailboxTransport } from "../runtime/mailbox/mod.ts";
import { controlFrame, MAILBOX_PATH } from "../runtime/mailbox/wire.ts";
import { type Node, startNode } from "../runtime/node.ts";
import { type NodeTrust, openTrust } from "../runtime/trust/mod.ts";
import { message, Stranger } from "./support/mailbox_nodes.ts";

const EVIL = "evil:1:beef";

/** Two nodes of one cluster, each with a stage. */
async function twoNodes(data: string): Promise<[Node, Node]> {
  const served = [0, 1].map(() => Promise.withResolvers<void>());
  const options = (i: number) => ({
    host: "127.0.0.1",
    port: 0,
    mailboxPort: 0,
    data: join(data, `n${i}`),
    threads: 1,
    nodes: 2,
    placement: "even" as const,
    onServe: (deployment?: Deployment) => deployment && served[i].resolve(),
  });
  const first = await startNode(options(0));
  const token = await first.joinToken();
  const second = await startNode({ ...options(1), join: first.mailboxAddress, token });
  await Promise.all(served.map((s) => s.promise));
  return [first, second];
}

/** The hostile member. */
class Attacker implements AsyncDisposable {
  readonly #mailbox: MailboxTransport;
  readonly #trust: NodeTrust;
  readonly #answers = new Map<number, (answer: string) => void>();
  #id = 0;
  /** Bodies of replies, by number of the ask. */
  readonly replies: unknown[] = [];
  /** Messages that came to it, which it never asked for. */
  readonly heard: Envelope[] = [];

  private constructor(mailbox: MailboxTransport, trust: NodeTrust) {
    this.#mailbox = mailbox;
    this.#trust = trust;
  }

  static async meet(nodes: Node[], data: string): Promise<Attacker> {
    const [first] = nodes;
    const trust = await openTrust({
      data,
      node: EVIL,
      join: first.mailboxAddress,
      token: await first.joinToken(),
    });
    const mailbox = await createMailbox({ node: EVIL, tls: trust, accept: () => true });
    await trust.listening(mailbox.address);
    const attacker = new Attacker(mailbox, trust);
    mailbox.start({ receive: (_, envelope) => attacker.#receive(envelope), peerLost() {} });
    for (const { id, mailboxAddress: { host, port } } of nodes) mailbox.addPeer(id, host, port);
    return attacker;
  }

  /** A stream to a node, over a link with its certificate, on which nothing was said yet. */
  stream({ id, mailboxAddress: { host, port } }: Node): Stranger {
    const trust = this.#trust;
    const session = http2.connect(`https://${host}:${port}`, {
      ...trust.client,
      servername: trust.serverName(id),
      checkServerIdentity: () => undefined, // whom it attacks is not its worry
    });
    return new Stranger(port, MAILBOX_PATH, "POST", session);
  }

  /** Sends an ask and resolves to the code of its error, or to `reply`. */
  async attack(
    node: Node,
    { to, type, from = "", body = {} }: {
      to: string;
      type: string;
      from?: string;
      body?: Record<string, unknown>;
    },
    withinMs = 10_000,
  ): Promise<string> {
    const id = ++this.#id;
    const { promise, resolve } = Promise.withResolvers<string>();
    this.#answers.set(id, resolve);
    await this.send(node, { kind: "ask", id, to, type, from, body });
    const late = setTimeout(() => resolve("no answer"), withinMs);
    return await promise.finally(() => clearTimeout(late));
  }

  send(node: Node, envelope: Envelope): Promise<void> {
    return this.#mailbox.send(node.id, envelope);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#mailbox.close({ deadlineMs: 0 });
    this.#trust.close();
  }

  #receive(envelope: Envelope): void {
    if (envelope.kind === "reply" || envelope.kind === "error") {
      if (envelope.kind === "reply") this.replies.push(envelope.body);
      const code = envelope.kind === "error" ? envelope.error.code : "reply";
      this.#answers.get(envelope.id)?.(code);
    } else if (envelope.kind !== "credit") this.heard.push(envelope);
  }
}

/** A frame with an array in an array in an array ... */
function nested(depth: number): Uint8Array {
  const frame = new Uint8Array(4 + depth + 1).fill(0x81, 4);
  new DataView(frame.buffer).setUint32(0, depth + 1);
  frame[frame.length - 1] = 0;
  return frame;
}

const post = async ({ url }: Node, text: string): Promise<string> => {
  const response = await fetch(`${url}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "default", prompt: text, max_tokens: 12, temperature: 0 }),
  });
  const body = await response.json();
  assert.equal(response.status, 200, JSON.stringify(body));
  return body.choices[0].text;
};

const readyz = async ({ url }: Node) => {
  const response = await fetch(`${url}/readyz`);
  return { status: response.status, ...await response.json() as { reason: string } };
};

Deno.test("startNode() refuses what a hostile member sends, and its cluster goes on answering", async (t) => {
  const data = await Deno.makeTempDir({ prefix: "orrery-test-" });
  const [first, second] = await twoNodes(data);
  await using evil = await Attacker.meet([first, second], join(data, "evil"));
  try {
    const expected = await post(second, "The rain");
    const deployment = (await first.cluster()).deployment!;
    const { id } = deployment;
    const [on0, on1] = deployment.stages.map((s) => s.node === first.id ? first : second);
    const layers = { ...deployment, id: "evil-1", stages: [{ node: EVIL, first: 0, last: 5 }] };
    const itself = { node: EVIL, host: "127.0.0.1", port: 9, cores: 1, memory_bytes: 1 };
    const arena = arenaName(second.id, "f00", 0);
    const frame = { arena, seq: 0, base: 0, want: new Int32Array(0) };
    const victim = freshAddress(second.id, "generation");
    const both = [first, second];

    /** Runs attacks; all have the same outcome. */
    const refuse = (
      name: string,
      code: string,
      attacks: [
        Node,
        { to: string; type: string; from?: string; body?: Record<string, unknown> },
      ][],
    ) =>
      t.step(name, async () => {
        for (const [node, message] of attacks) {
          assert.equal(
            await evil.attack(node, message),
            code,
            `${message.type} to ${message.to} at ${node.id}`,
          );
        }
        assert.equal(await post(second, "The rain"), expected, "the cluster still answers");
      });
    const toMembers = (type: string, body: Record<string, unknown>) =>
      both.map((n): [Node, { to: string; type: string; body: Record<string, unknown> }] => [
        n,
        { to: memberAddress(n.id), type, body },
      ]);

    await refuse("adopting nothing, or a deployment of its own", "not_allowed", [
      ...toMembers("adopt", { reason: "pwned" }),
      ...toMembers("adopt", { reason: "", deployment: layers }),
      ...toMembers("prepare", { deployment: layers }),
    ]);
    await refuse("retiring the deployment of others", "not_allowed", [
      ...toMembers("retire", { id }),
      ...toMembers("release", { id }),
      ...toMembers("node_lost", { node: second.id }),
      [on0, { to: stageAddress(id, 0), type: "retire" }],
      [on1, { to: stageAddress(id, 1), type: "retire" }],
      [on1, { to: stageAddress(id, 1), type: "warm" }],
    ]);
    await refuse("another's requests", "not_allowed", [
      [second, { to: arbiterAddress(id, second.id), type: "traces" }],
      [second, { to: arbiterAddress(id, second.id), type: "outlook" }],
      [second, { to: arbiterAddress(id, second.id), type: "lost" }],
      [second, { to: victim, type: "cancel" }],
      [second, { to: victim, type: "tokens" }],
      [on0, { to: stageAddress(id, 0), type: "frame", body: frame }],
      [on0, {
        to: stageAddress(id, 0),
        type: "frame",
        from: arbiterAddress(id, EVIL),
        body: frame,
      }],
      [on0, {
        to: stageAddress(id, 0),
        type: "frame",
        from: arbiterAddress(id, EVIL),
        body: {
          ...frame,
          arena: arenaName(EVIL, "f00", 0),
          layout: { reply_to: memberAddress(second.id) },
        },
      }],
      [on1, {
        to: stageAddress(id, 1),
        type: "close",
        from: arbiterAddress(id, EVIL),
        body: frame,
      }],
    ]);
    await refuse("in the name of others", "forged_sender", [
      [on0, {
        to: stageAddress(id, 0),
        type: "frame",
        from: arbiterAddress(id, second.id),
        body: frame,
      }],
      [on1, { to: stageAddress(id, 1), type: "frame", from: stageAddress(id, 0), body: frame }],
      [second, {
        to: arbiterAddress(id, second.id),
        type: "tokens",
        from: stageAddress(id, 1),
        body: { arena, seq: 0, tokens: [], trace: [] },
      }],
      [second, { to: memberAddress(second.id), type: "adopt", from: CLUSTER }],
      [first, { to: weightsAddress(first.id), type: "manifest", from: memberAddress(second.id) }],
    ]);
    await refuse("speaking for other nodes, or as the first one", "not_allowed", [
      [first, { to: CLUSTER, type: "leave", body: { node: second.id } }],
      [first, { to: CLUSTER, type: "lost", body: { node: second.id } }],
      [first, { to: CLUSTER, type: "lost", body: { node: EVIL } }],
      [first, { to: CLUSTER, type: "join", body: { ...itself, node: second.id } }],
      [first, { to: CLUSTER, type: "broke", body: { node: second.id } }],
      [first, { to: CLUSTER, type: "listed", body: { node: second.id } }],
    ]);
    await refuse("taking the place of a member", "address_taken", [
      [first, { to: CLUSTER, type: "join", body: { ...itself, ...second.mailboxAddress } }],
    ]);
    await refuse("a cluster on a node that is not the first", "unknown_kind", [
      [second, { to: CLUSTER, type: "join", body: itself }],
    ]);
    await refuse("actors that do not live there", "not_here", [
      [first, { to: "orrery/cluster/other", type: "join", body: itself }],
      [first, { to: `other/weights/${first.id}`, type: "manifest", body: { model: "embedded" } }],
      [first, { to: memberAddress(second.id), type: "echo" }],
      [first, { to: stageAddress("d123", 0), type: "frame", body: frame }],
      [second, { to: drafterAddress(id), type: "draft" }], // the first node has it
      [first, { to: arbiterAddress(id, keyAt(second.id, "solo")), type: "open" }],
    ]);

    const secret = new TextEncoder().encode("a model that is not served");
    const sha256 = createHash("sha256").update(secret).digest("hex");
    for (const n of ["n0", "n1"]) {
      await Deno.writeFile(join(data, n, "blobs", sha256), secret);
      const folder = join(data, n, "models", "secret");
      await Deno.mkdir(folder, { recursive: true });
      const manifest = JSON.parse(
        await Deno.readTextFile(join(data, "n0", "models", deployment.model, "manifest.json")),
      );
      await Deno.writeTextFile(
        join(folder, "manifest.json"),
        JSON.stringify({ ...manifest, name: "secret" }),
      );
    }
    const chunk = { offset: 0, length: 100 };
    await refuse("weights that are not served", "not_served", [
      [first, { to: weightsAddress(first.id), type: "blob", body: { sha256, ...chunk } }],
      [second, { to: weightsAddress(second.id), type: "blob", body: { sha256, ...chunk } }],
      [first, { to: weightsAddress(first.id), type: "manifest", body: { model: "secret" } }],
      [second, { to: weightsAddress(second.id), type: "manifest", body: { model: "secret" } }],
    ]);
    await refuse("paths in names", "invalid_message", [
      ...["..", ".", "../../etc", "a/b", "a\0b", "", "x".repeat(200)].map(
        (model): [Node, { to: string; type: string; body: Record<string, unknown> }] => [
          first,
          { to: weightsAddress(first.id), type: "manifest", body: { model } },
        ],
      ),
      ...["../../../etc/passwd", `${sha256}/..`, sha256.toUpperCase(), ""].map(
        (name): [Node, { to: string; type: string; body: Record<string, unknown> }] => [
          first,
          { to: weightsAddress(first.id), type: "blob", body: { sha256: name, ...chunk } },
        ],
      ),
      [first, {
        to: weightsAddress(first.id),
        type: "blob",
        body: { sha256, offset: 0, length: 2 ** 40 },
      }],
      [first, {
        to: memberAddress(first.id),
        type: "echo",
        body: { data: new Uint8Array(2 << 20) },
      }],
      [first, { to: memberAddress(first.id), type: "echo", body: { reply_bytes: 2 ** 40 } }],
    ]);
    await t.step("weights that are served are given", async () => {
      const to = weightsAddress(first.id);
      const model = deployment.model;
      assert.equal(await evil.attack(first, { to, type: "manifest", body: { model } }), "reply");
      const { head } = JSON.parse(evil.replies.at(-1) as string);
      const body = { sha256: head.sha256, ...chunk };
      assert.equal(await evil.attack(first, { to, type: "blob", body }), "reply");
      assert.equal((evil.replies.at(-1) as Uint8Array).length, 100);
    });
    await t.step("answers to asks that others were asked", async () => {
      const answer = post(second, "The rain");
      const error = { group: "cluster", code: "forged", message: "forged" };
      for (let n = 0; n < 2_000; n++) {
        for (const node of both) {
          await evil.send(node, { kind: "reply", id: n, body: "forged" });
          await evil.send(node, { kind: "error", id: n, error });
          await evil.send(node, { kind: "cancel", id: n });
          await evil.send(node, { kind: "credit", to: stageAddress(id, 0), n: 1 << 30 });
        }
      }
      assert.equal(await answer, expected);
    });
    await t.step("frames that break the protocol, over a link with its certificate", async () => {
      const hello = { t: "hello", v: 1, incarnation: 2 ** 52, to: first.id, link: 1, base: 1 };
      const mine = controlFrame({ ...hello, node: EVIL });
      const ping: Envelope = {
        kind: "tell",
        id: 1,
        to: memberAddress(first.id),
        from: "",
        type: "ping",
        body: {},
      };
      const cases: [string, Uint8Array[], RegExp][] = [
        [
          "a hello in another's name",
          [controlFrame({ ...hello, node: second.id })],
          /evil|certificate/,
        ],
        ["a hello that is too long", [new Uint8Array([0, 2, 0, 0])], /frame of 131072 bytes/],
        ["2 GB", [mine, new Uint8Array([0x7f, 0, 0, 0])], /frame of 2130706432 bytes/],
        ["a gap", [mine, message(7, ping)], /seq 7 after 0/],
        ["seq 0", [mine, controlFrame([0, ping])], /positive seq/],
        ["a seq beyond all", [mine, controlFrame([2 ** 60, ping])], /seq/],
        ["no envelope", [mine, controlFrame([1, { kind: "explode" }])], /kind is "explode"/],
        ["a long address", [mine, controlFrame([1, { ...ping, to: "x".repeat(600) }])], /field to/],
        ["an endless nest", [mine, nested(100_000)], /CBOR|deep|nest/],
        ["a second hello", [mine, mine], /unexpected control frame/],
      ];
      for (const [what, frames, want] of cases) {
        assert.match(await evil.stream(first).write(...frames).refusal(), want, what);
      }
      assert.equal(await post(second, "The rain"), expected);
    });
    await t.step("floods", async () => {
      const before = first.system.deadLetters().total;
      for (let n = 0; n < 5_000; n++) {
        const to = n % 2 ? `x${n}/kind${n}/key` : memberAddress(first.id);
        // Ids that no attack has: the refusals may come while one waits for its answer.
        await evil.send(first, {
          kind: "tell",
          id: 1_000_000 + n,
          to,
          type: "nothing",
          from: "",
          body: n,
        });
      }
      // The first node drops what comes while the attacker has not taken its refusals.
      let outcome = "no answer";
      for (let i = 0; i < 20 && outcome === "no answer"; i++) {
        outcome = await evil.attack(first, { to: "x/y/z", type: "t" }, 500);
      }
      assert.equal(outcome, "unknown_kind");
      assert.ok(first.system.deadLetters().total > before + 5_000);
      assert.equal(first.system.deadLetters().last.length, 100);
      assert.equal(await post(first, "The rain"), expected);
    });
    assert.deepEqual(evil.heard, [], "nothing of anybody's requests came to it");
    for (const node of both) {
      assert.equal((await readyz(node)).status, 200);
      assert.equal(first.system.status().some((a) => a.address.includes("evil")), false);
    }
    assert.equal((await first.cluster()).deployment!.id, id, "nothing was placed anew");
    assert.equal((await first.cluster()).members.length, 2);
  } finally {
    await Promise.all([first, second].map((n) => n.close({ deadlineMs: 2_000 })));
    await Deno.remove(data, { recursive: true });
  }
});

Deno.test("GET /readyz says 503 when a stage was retired under it, and the cluster places anew", async () => {
  const data = await Deno.makeTempDir({ prefix: "orrery-test-" });
  const [first, second] = await twoNodes(data);
  try {
    const expected = await post(first, "The rain");
    for (const node of [first, second]) assert.equal((await readyz(node)).status, 200);
    const { id } = (await first.cluster()).deployment!;
    // What nobody but the first node may tell it from elsewhere, the node itself may do.
    await second.system.ask(memberAddress(second.id), { type: "retire", id });
    await new Promise((resolve) => setTimeout(resolve, 2_100)); // the last proof is old by now
    const { status, reason } = await readyz(first);
    assert.equal(status, 503);
    assert.match(reason, /a prompt is not answered now: .*retired/);
    for (let i = 0; (await readyz(first)).status !== 200; i++) {
      assert.ok(i < 200, "never ready again");
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.notEqual((await first.cluster()).deployment!.id, id);
    assert.equal(await post(first, "The rain"), expected);
    assert.equal(await post(second, "The rain"), expected);
    assert.equal(await (await fetch(`${first.url}/health`)).text(), '{"status":"ok"}');
  } finally {
    await Promise.all([first, second].map((n) => n.close({ deadlineMs: 2_000 })));
    await Deno.remove(data, { recursive: true });
  }
});
