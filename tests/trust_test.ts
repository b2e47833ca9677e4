/**
 * Attacks on a node's door, with real sockets: each is refused, stands in the log, and the node goes
 * on talking with its members.
 */
import assert from "node:assert/strict";
import http2 from "node:http2";
import net from "node:net";
import "reflect-metadata";
import { reset } from "@logtape/logtape";
import { SubjectAlternativeNameExtension, X509CertificateGenerator } from "@peculiar/x509";
import { hasCode } from "../actors/mod.ts";
import { identify } from "../runtime/mailbox/mod.ts";
import { createKey, signRequest } from "../runtime/trust/sign.ts";
import { Authority, type NodeTrust, parseToken } from "../runtime/trust/mod.ts";
import { Intruder, type IntruderOptions } from "./support/intruder.ts";
import { type MailboxNode, open, reply } from "./support/mailbox_nodes.ts";
import { until } from "./support/transport_suite.ts";
import { TestCluster } from "./support/trust.ts";
import { keepWarnings } from "./support/keep_warnings.ts";

const FIRST = "first:0:0001", MEMBER = "member:0:000a";

/** A first node with a member, and what the node logs. */
class World implements AsyncDisposable {
  readonly log: string[] = [];
  #sent = 0;

  private constructor(
    readonly cluster: TestCluster,
    readonly first: MailboxNode,
    readonly firstTls: NodeTrust,
    readonly member: MailboxNode,
    readonly memberTls: NodeTrust,
  ) {}

  static async open(): Promise<World> {
    const cluster = await TestCluster.create();
    const tls = await cluster.first(FIRST);
    const first = await open(FIRST, { tls, accept: () => true });
    await tls.listening(first.mailbox.address);
    const memberTls = await cluster.join(MEMBER, first.mailbox.port, {
      token: await cluster.token(),
    });
    const member = await open(MEMBER, { tls: memberTls, accept: () => true });
    member.mailbox.addPeer(FIRST, "127.0.0.1", first.mailbox.port);
    const world = new World(cluster, first, tls, member, memberTls);
    await keepWarnings(world.log);
    await world.stillWorks();
    return world;
  }

  get port(): number {
    return this.first.mailbox.port;
  }

  /** The member can still reach the first node. */
  async stillWorks(): Promise<void> {
    const n = ++this.#sent;
    await this.member.mailbox.send(FIRST, reply(n));
    await until(() => this.first.ids().includes(n), `message ${n} of the member`);
    assert.deepEqual(
      new Set(this.first.received.map((r) => r.from)),
      new Set([MEMBER]),
      "nobody else got a message through",
    );
  }

  /** The log has such a line. */
  async logged(line: RegExp): Promise<void> {
    await until(
      () => this.log.some((l) => line.test(l)),
      () => `${line} in\n${this.log.join("\n")}`,
    );
  }

  /** Connects with a certificate and says hello; nothing may come back. */
  async shutOut(
    certificate: IntruderOptions["certificate"],
    line: RegExp,
    node = "evil:0:0bad",
  ): Promise<void> {
    const intruder = new Intruder(this.port, { certificate });
    const { status, text } = await intruder.hello(node, FIRST);
    // A connection that is being cut may still say that it wants a certificate, and no more.
    assert.ok(status === 0 || status === 403, `status ${status}`);
    assert.doesNotMatch(text, /first|member/);
    await until(() => intruder.closed, "the end of the connection");
    await this.logged(line);
    await this.stillWorks();
  }

  /** Asks for certificates with a key of its own; answers the refusal's code. */
  async askToJoin(fields: Record<string, unknown>, node = "evil:0:0bad"): Promise<string> {
    const csr = await signRequest(await createKey(), node);
    const intruder = new Intruder(this.port);
    const body = JSON.stringify({ csr, node, ...fields });
    const answer = await intruder.ask("POST", "/join/v1/certificate", [body], true);
    intruder.end();
    return JSON.parse(answer.text).error?.code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await reset();
    await this.member.mailbox.close();
    await this.first.mailbox.close();
    await this.cluster[Symbol.asyncDispose]();
  }
}

/** A certificate for a node id, signed by itself. */
async function selfSigned(node: string): Promise<{ key: string; cert: string }> {
  const { pem, keys } = await createKey();
  const cert = await X509CertificateGenerator.createSelfSigned({
    name: "CN=Orrery cluster",
    keys,
    signingAlgorithm: { name: "ECDSA", hash: "SHA-256" },
    notAfter: new Date(Date.now() + 3600_000),
    extensions: [
      new SubjectAlternativeNameExtension([{ type: "url", value: `orrery:node:${node}` }]),
    ],
  });
  return { key: pem, cert: cert.toString("pem") };
}

/** Certificates of an authority for a new key. */
async function issued(
  authority: Authority,
  node: string,
  token: string,
): Promise<{ key: string; cert: string }> {
  const key = await createKey();
  const { id, secret } = parseToken(token);
  const csr = await signRequest(key, node);
  const { client } = await authority.issue({ csr, node, token: { id, secret } });
  return { key: key.pem, cert: client };
}

Deno.test("MailboxServer gives a peer without a good certificate nothing", async (t) => {
  await using world = await World.open();
  const { cluster, port } = world;

  await t.step("no certificate", async () => {
    const intruder = new Intruder(port);
    for (const [method, path] of [["GET", "/mailbox/v1/node"], ["GET", "/join/v1/membership"]]) {
      const { status, text } = await intruder.ask(method, path);
      assert.equal(status, 403);
      assert.match(text, /untrusted/);
      assert.doesNotMatch(text, /first|member/);
    }
    const { status, frames } = await intruder.hello("evil:0:0bad", FIRST);
    assert.deepEqual([status, frames], [403, []]);
    const names = new TextDecoder("latin1").decode(intruder.shown);
    // Not the id's digits alone: the times of a certificate are digits, too.
    assert.doesNotMatch(names, /first|:0001/, "what the server shows does not name the node");
    intruder.end();
    await world.logged(/asked for \/mailbox\/v1 without a certificate/);
    await world.stillWorks();
  });

  await t.step("no TLS, and TLS 1.2", async () => {
    const raw = net.connect(port, "127.0.0.1");
    let got = "";
    raw.on("data", (chunk) => got += chunk);
    raw.on("error", () => {});
    raw.write("GET /mailbox/v1/node HTTP/1.1\r\nHost: x\r\n\r\n");
    await until(() => raw.destroyed || raw.readableEnded, "the end of a cleartext connection");
    raw.destroy();
    assert.doesNotMatch(got, /first|node/);
    const { status } = await new Intruder(port, { version: "TLSv1.2" }).hello("x:0:0bad", FIRST);
    assert.equal(status, 0);
    await world.logged(/the TLS handshake with 127\.0\.0\.1:\d+ failed/);
    await world.stillWorks();
  });

  await t.step("wrong authority", async () => {
    await using other = await TestCluster.create();
    const certificate = await issued(other.authority, "evil:0:0bad", await other.token());
    await world.shutOut(certificate, /another authority than this cluster's signed it/);
  });

  await t.step(
    "self-signed",
    () =>
      selfSigned(MEMBER).then((certificate) =>
        world.shutOut(certificate, /refused: it is signed by itself/, MEMBER)
      ),
  );

  await t.step("expired", async () => {
    const past = await Authority.open({ data: cluster.data, certificateMs: -1_000 });
    const certificate = await issued(past, "late:0:0bad", await cluster.token());
    await world.shutOut(certificate, /refused: it expired at /, "late:0:0bad");
  });

  await t.step("revoked", async () => {
    const certificate = await issued(cluster.authority, "gone:0:0bad", await cluster.token());
    await cluster.authority.identities.remove("gone");
    await until(
      () => world.firstTls.known.revoked.length > 0,
      "the list, which is read each second",
    );
    await world.shutOut(
      certificate,
      /node gone:0:0bad was removed from the cluster/,
      "gone:0:0bad",
    );
  });

  await t.step("the certificate that a node shows when it is dialled", async () => {
    const { key, cert } = world.memberTls.server;
    await world.shutOut({ key, cert }, /it is not one that a node dials with/, MEMBER);
  });
});

Deno.test("MailboxServer refuses the stolen certificate of one node with the hello of another", async () => {
  await using world = await World.open();
  const stolen = await issued(world.cluster.authority, "other:0:000b", await world.cluster.token());
  const intruder = new Intruder(world.port, { certificate: stolen });
  const { frames } = await intruder.hello(MEMBER, FIRST);
  assert.deepEqual(
    frames.map((f) => (f as { error: { code: string } }).error.code),
    ["untrusted"],
  );
  await world.logged(
    /a hello of node member:0:000a came with the certificate of node other:0:000b/,
  );
  intruder.end();
  await world.stillWorks();
});

Deno.test("connect() refuses a node that answers at the address of another", async () => {
  await using world = await World.open();
  const { first, member, memberTls, cluster } = world;
  // The member dials "other" and finds the first node there.
  member.mailbox.addPeer("other:0:000b", "127.0.0.1", first.mailbox.port);
  const peer = () => member.mailbox.peers().find((p) => p.node === "other:0:000b")!;
  await until(() => peer().lastError !== undefined, "the failure");
  assert.match(peer().lastError!, /whoever answers is not node other:0:000b|altnames/);
  assert.notEqual(peer().state, "up");
  // A member that poses as the first node gets no token, and no secret.
  await assert.rejects(
    cluster.join("new:0:000c", member.mailbox.port, { token: await cluster.token() }),
    (e) => hasCode(e, "not_first"),
  );
  await assert.rejects(
    identify("127.0.0.1", member.mailbox.port, {
      signal: AbortSignal.timeout(5_000),
      tls: memberTls,
    }),
    /is not the first node|altnames/,
  );
  await world.stillWorks();
});

Deno.test("openTrust() sends no secret to a member that poses as the first node", async () => {
  await using world = await World.open();
  const { cluster, memberTls } = world;
  const asked: string[] = [];
  // It has a good certificate of the cluster, and passes on what everybody may know.
  const server = http2.createSecureServer({ ...memberTls.server, minVersion: "TLSv1.3" });
  server.on("stream", (stream, headers) => {
    asked.push(`${headers[":method"]} ${headers[":path"]}`);
    stream.respond({ ":status": 200 });
    stream.end(JSON.stringify({ authority: cluster.authority.certificate }));
  });
  server.on("sessionError", () => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const { port } = server.address() as net.AddressInfo;
    await assert.rejects(
      cluster.join("new:0:000c", port, { token: await cluster.token() }),
      (e) => hasCode(e, "bad_certificate") && /is not the first node at/.test(e.message),
    );
    assert.deepEqual(asked, ["GET /join/v1/authority"]);
  } finally {
    server.close();
  }
});

Deno.test("openTrust() sends nothing to a cluster with another authority than the token's", async () => {
  await using world = await World.open();
  await using other = await TestCluster.create();
  await assert.rejects(
    world.cluster.join("new:0:000c", world.port, { token: await other.token() }),
    (e) => hasCode(e, "wrong_authority") && /nothing was sent to it/.test(e.message),
  );
  assert.equal((await world.cluster.authority.identities.list()).length, 2);
  await world.stillWorks();
});

Deno.test("Tokens refuse what is cut, replayed, expired, revoked or made up, and the log says why", async () => {
  await using world = await World.open();
  const { cluster, port } = world;
  const whole = await cluster.token();
  for (const cut of [whole.slice(0, -1), whole.slice(1), whole.slice(0, 70), ""]) {
    await assert.rejects(
      cluster.join("new:0:000c", port, { token: cut }),
      (e) => hasCode(e, "bad_token") && !e.message.includes(whole.slice(76)),
    );
  }
  const { id, secret } = parseToken(whole);
  const refusals: [string, string, RegExp][] = [
    [id, secret.slice(0, -1), /no token \w+ with this secret/],
    [id, secret.slice(0, -1) + (secret.endsWith("A") ? "B" : "A"), /no token \w+ with this secret/],
    ["zzzzzzzz", secret, /no token zzzzzzzz with this secret/],
  ];
  for (const [wrongId, wrongSecret, line] of refusals) {
    const token = `${whole.slice(0, 68)}${wrongId}.${wrongSecret}`;
    if (wrongSecret.length === 43) {
      await assert.rejects(
        cluster.join("new:0:000c", port, { token }),
        (e) => hasCode(e, "token_unknown"),
      );
    } else {
      const code = await world.askToJoin({ token: { id: wrongId, secret: wrongSecret } });
      assert.equal(code, "token_unknown");
    }
    await world.logged(line);
  }
  await cluster.join("new:0:000c", port, { token: whole });
  await assert.rejects(
    cluster.join("again:0:000d", port, { token: whole }),
    (e) => hasCode(e, "token_used_up"),
  );
  await world.logged(/is refused: token \w+ was for 1 node, which has joined/);
  await assert.rejects(
    cluster.token({ ttlMs: -1 }).then((token) => cluster.join("late:0:000e", port, { token })),
    (e) => hasCode(e, "token_expired"),
  );
  await world.logged(/is refused: token \w+ expired at/);
  const gone = await cluster.token();
  assert.equal(await cluster.authority.tokens.revoke(parseToken(gone).id), true);
  await assert.rejects(
    cluster.join("gone:0:000f", port, { token: gone }),
    (e) => hasCode(e, "token_unknown"),
  );
  const stored = await Deno.readTextFile(`${cluster.data}/trust/tokens.json`);
  assert.ok(!stored.includes(secret), "secrets are not stored");
  await world.stillWorks();
});

Deno.test("JoinServer refuses bodies that are long, slow or no request, and ids of other nodes", async () => {
  await using world = await World.open();
  const { cluster, port } = world;
  const node = "evil:0:0bad";
  const ask = async (parts: (string | Uint8Array)[]) => {
    const intruder = new Intruder(port);
    const answer = await intruder.ask("POST", "/join/v1/certificate", parts);
    intruder.end();
    return answer;
  };
  const slow = ask(['{"csr":']); // the body does not end: it is refused after five seconds
  const long = await ask([new Uint8Array(1 << 20).fill(32)]);
  assert.match(long.text, /longer than 8192 bytes/);
  await world.logged(/the body is longer than 8192 bytes/);
  const { id, secret } = parseToken(await cluster.token());
  const token = { id, secret };
  for (
    const [fields, code, line] of [
      [{ csr: "" }, "bad_request", /csr: /],
      [{ csr: "AAAA", token }, "bad_request", /csr is no request/],
      [
        { csr: await signRequest(await createKey(), "x:0:0001"), token },
        "bad_request",
        /csr is no/,
      ],
      [{ node: "../../x", token }, "bad_request", /is no NAME:PORT:XXXX/],
      [{ token: { id, secret, more: 1 } }, "bad_request", /more/],
      [{}, "token_required", /does not know this node/],
    ] as const
  ) {
    assert.equal(await world.askToJoin(fields), code);
    await world.logged(line);
  }
  // With a good token, for the id that another node has: the use is not counted.
  assert.equal(await world.askToJoin({ token }, MEMBER), "node_taken");
  assert.equal((await cluster.authority.tokens.list()).at(-1)!.used, 0);
  assert.match((await slow).text, /did not come within 5000 ms/);
  assert.equal((await cluster.authority.identities.list()).some((i) => i.node === node), false);
  await world.stillWorks();
});

Deno.test("Strangers do not keep nodes out: 1,024 idle connections, and a node joins", async () => {
  await using world = await World.open();
  const { cluster, port, first } = world;
  let cut = 0;
  const idle = Array.from({ length: 1024 }, () => {
    const socket = net.connect(port, "127.0.0.1");
    socket.on("error", () => {});
    socket.on("close", () => cut++);
    return socket;
  });
  try {
    await until(() => cut >= 1024 - 64, "all but 64 to be cut");
    await world.stillWorks();
    const tls = await cluster.join("new:0:000c", port, { token: await cluster.token() });
    const joined = await open("new:0:000c", { tls, accept: () => true });
    first.mailbox.addPeer("new:0:000c", "127.0.0.1", joined.mailbox.port);
    await first.mailbox.send("new:0:000c", reply(1));
    await until(() => joined.received.length === 1, "a message to the new node");
    await joined.mailbox.close();
    await world.logged(/is cut: there are more than 64 without a certificate/);
    assert.ok(world.log.length < 100, `${world.log.length} lines for 1,024 connections`);
  } finally {
    for (const socket of idle) socket.destroy();
  }
});
