/**
 * The registry's suite over a real etcd, where the machine has one; and what only etcd has: several
 * members, of which one may be lost, TLS, users.
 */
import assert from "node:assert/strict";
import {
  hasCode,
  holdLease,
  type Registry,
  type RegistryTransaction,
  systemClock,
} from "../actors/mod.ts";
import { openRegistry } from "../runtime/registry/mod.ts";
import { ETCD, EtcdCluster } from "./support/etcd_server.ts";
import { findProgram } from "./support/find_program.ts";
import { etcdWorld } from "./support/registry_etcd_world.ts";
import { Losses } from "./support/registry_kv_world.ts";
import { registrySuite } from "./support/registry_suite.ts";
import { increment, Mirror } from "./support/registry_world.ts";

const ignore = ETCD === undefined;
const why = ignore ? ", skipped: there is no etcd on the PATH" : "";
const OPENSSL = await findProgram("openssl");
const options = { data: "" };

registrySuite(`etcd${why}`, () => etcdWorld(), { ignore });

Deno.test({
  name: `EtcdStore.transact() is not made by a try that arrives late${why}`,
  ignore,
  async fn(t) {
    const losses = new Losses();
    await using world = await etcdWorld(losses);
    const registry = await world.client();
    const other = await world.client();
    const value = (text: string) => new TextEncoder().encode(text);
    /** Sends a write that is held up on the way, and the same one again; gives that one's result. */
    const twice = async (transaction: RegistryTransaction) => {
      const write = { ...transaction, id: crypto.randomUUID() };
      losses.holding = 1;
      await assert.rejects(
        registry.transact(write, { deadlineMs: 500 }),
        (e) => hasCode(e, "outcome_unknown"),
      );
      assert.equal(losses.held.length, 1);
      return await registry.transact(write);
    };
    await other.transact({ sets: [{ key: "a", value: value("1") }] });

    await t.step("when the second one was made", async () => {
      const result = await twice({ sets: [{ key: "b", value: value("old") }] });
      assert.ok(result.ok);
      await other.transact({ sets: [{ key: "b", value: value("new") }] });
      await losses.held.pop()!();
      assert.deepEqual((await registry.get("b"))?.value, value("new"));
    });
    await t.step("when the second one was refused", async () => {
      const result = await twice({
        checks: [{ key: "a", version: 0 }],
        sets: [{ key: "c", value: value("1") }],
      });
      assert.equal(result.ok, false);
      await other.transact({ deletes: ["a"] }); // now its check would hold
      await losses.held.pop()!();
      assert.equal(await registry.get("c"), undefined);
    });
    await t.step("when the second one named a lease that had lapsed", async () => {
      const { id: lease } = await registry.grant(60_000);
      await registry.revoke(lease);
      await assert.rejects(
        twice({ sets: [{ key: "d", value: value("1"), lease }] }),
        (e) => hasCode(e, "lease_lost"),
      );
      await losses.held.pop()!();
      assert.equal(await registry.get("d"), undefined);
    });
  },
});

Deno.test({
  name: `EtcdStore goes on while one of three members is killed, stopped or cut off${why}`,
  ignore,
  async fn(t) {
    await using cluster = await EtcdCluster.start(3);
    await using stack = new AsyncDisposableStack();
    const open = async (first: number) => {
      const registry = await openRegistry(cluster.url("", first), options);
      stack.defer(() => registry.close());
      return registry;
    };
    const registry = await open(0);
    const lease = await holdLease(registry, { ttlMs: 30_000, clock: systemClock });
    stack.defer(() => lease.release());
    let total = 0;
    const faults: Record<
      string,
      { begin(i: number): Promise<void>; end(i: number): Promise<void> }
    > = {
      "killed": {
        begin: (i) => cluster.members[i].end(),
        end: (i) => Promise.resolve(cluster.members[i].start()),
      },
      "stopped": {
        begin: (i) => Promise.resolve(cluster.members[i].kill("SIGSTOP")),
        end: (i) => Promise.resolve(cluster.members[i].kill("SIGCONT")),
      },
      "cut off from the others": {
        begin: (i) => cluster.isolate(i),
        end: (i) => cluster.isolate(i, false),
      },
    };
    for (const [fault, { begin, end }] of Object.entries(faults)) {
      await t.step(`the leader is ${fault}`, async () => {
        const victim = await cluster.leader();
        // Both speak to the victim first, and one of them watches there.
        const clients = [await open(victim), await open(victim)];
        const mirror = new Mirror(clients[1], "");
        await mirror.start();
        const write = async (count: number) => {
          const one = async (client: Registry) => {
            for (let i = 0; i < count; i++) await increment(client, "count");
          };
          await Promise.all(clients.map(one));
          total += count * clients.length;
        };
        await write(3);
        await begin(victim);
        await write(6);
        await mirror.caughtUp();
        assert.notEqual(await cluster.leader({ without: victim }), victim, "another one leads");
        await end(victim);
        await write(3);
        await cluster.answers();
        await mirror.caughtUp();
        await mirror.stop();
        const count = (await registry.get("count"))!;
        assert.equal(new TextDecoder().decode(count.value), String(total));
        assert.equal(lease.signal.aborted, false, "a lease that is renewed is held");
      });
    }
  },
});

Deno.test({
  name: `EtcdStore.transact() is not made when most members are gone, and says so${why}`,
  ignore,
  async fn() {
    await using cluster = await EtcdCluster.start(3);
    const registry = await openRegistry(cluster.url(), options);
    try {
      await increment(registry, "count");
      for (const i of [1, 2]) cluster.members[i].kill("SIGSTOP");
      const late = (e: unknown) => hasCode(e, "outcome_unknown") || hasCode(e, "unavailable");
      const write = { id: crypto.randomUUID(), deletes: ["count"] };
      await assert.rejects(registry.transact(write, { deadlineMs: 3_000 }), late);
      await assert.rejects(registry.get("count", { deadlineMs: 1_000 }), late);
      for (const i of [1, 2]) cluster.members[i].kill("SIGCONT");
      // The same write again: whether the first one landed meanwhile or not, it is made once.
      const again = await registry.transact(write);
      assert.ok(again.ok);
      assert.equal(await registry.get("count"), undefined);
      assert.deepEqual(await registry.transact(write), again);
    } finally {
      await registry.close();
    }
  },
});

Deno.test({
  name: `EtcdStore.watch() throws compacted from a revision that etcd has forgotten${why}`,
  ignore,
  async fn() {
    await using cluster = await EtcdCluster.start(1);
    const registry = await openRegistry(cluster.url(), options);
    try {
      const { revision: from } = await registry.list("");
      for (let i = 0; i < 5; i++) await increment(registry, "count");
      const { revision } = await registry.list("");
      await cluster.call("/v3/kv/compaction", { revision: String(revision), physical: true });
      const forgotten = (e: unknown) => hasCode(e, "compacted");
      await assert.rejects(async () => {
        for await (const _ of registry.watch("", { from }));
      }, forgotten);
      await assert.rejects(async () => {
        for await (const _ of registry.watch("", { from: revision + 1_000_000 }));
      }, forgotten);
    } finally {
      await registry.close();
    }
  },
});

Deno.test({
  name: `EtcdStore signs in with a password, and anew when its token has expired${why}`,
  ignore,
  async fn() {
    await using cluster = await EtcdCluster.start(1, ["--auth-token-ttl", "1"]);
    const file = `${cluster.folder}/password`;
    await Deno.writeTextFile(file, "s3cret/+\n");
    await cluster.call("/v3/auth/user/add", { name: "root", password: "s3cret/+" });
    await cluster.call("/v3/auth/user/grant", { user: "root", role: "root" });
    await cluster.call("/v3/auth/enable", {});
    const refused = (e: unknown) => hasCode(e, "refused") && !e.message.includes("s3cret");
    const open = (query: string) => openRegistry(cluster.url(query), options);

    const registry = await open(`user=root&password_file=${file}`);
    await increment(registry, "count");
    await new Promise((resolve) => setTimeout(resolve, 3_500));
    await increment(registry, "count");
    const mirror = new Mirror(registry, "");
    await mirror.start();
    await mirror.caughtUp();
    await mirror.stop();
    await registry.close();

    const nameless = await open("");
    await assert.rejects(nameless.get("count"), refused);
    await assert.rejects(nameless.transact({ deletes: ["count"] }), refused);
    await nameless.close();
    await Deno.writeTextFile(file, "wrong");
    const wrong = await open(`user=root&password_file=${file}`);
    await assert.rejects(wrong.get("count"), refused);
    await wrong.close();
  },
});

Deno.test({
  name: `EtcdStore speaks TLS with a certificate of its own${why}${
    OPENSSL ? "" : ", skipped: there is no openssl on the PATH"
  }`,
  ignore: ignore || !OPENSSL,
  async fn() {
    const folder = await Deno.makeTempDir({ prefix: "orrery-etcd-tls-" });
    try {
      await certificates(folder);
      await using cluster = await EtcdCluster.start(1, [
        ...["--cert-file", `${folder}/node.pem`, "--key-file", `${folder}/node.key`],
        ...["--trusted-ca-file", `${folder}/ca.pem`, "--client-cert-auth"],
      ], true);
      const certificate = `&cert=${folder}/node.pem&key=${folder}/node.key`;
      const registry = await openRegistry(
        cluster.url(`ca=${folder}/ca.pem${certificate}`),
        options,
      );
      await increment(registry, "count");
      const mirror = new Mirror(registry, "");
      await mirror.start();
      await increment(registry, "count");
      await mirror.caughtUp();
      await mirror.stop();
      await registry.close();
      // Without the CA, or without a certificate, nothing is said or heard.
      for (const query of [`tls${certificate}`, `ca=${folder}/ca.pem`, ""]) {
        const other = await openRegistry(cluster.url(query), options);
        await assert.rejects(
          other.get("count", { deadlineMs: 500 }),
          (e) => hasCode(e, "unavailable"),
          query,
        );
        await other.close();
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

/** A CA, and a certificate of it for 127.0.0.1, in this folder. */
async function certificates(folder: string): Promise<void> {
  const openssl = async (...args: string[]) => {
    const { success, stderr } = await new Deno.Command(OPENSSL!, { args, cwd: folder }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
  };
  const ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const ca = ["-subj", "/CN=test CA", "-days", "1", "-keyout", "ca.key", "-out", "ca.pem"];
  await openssl("req", "-x509", ...ec, ...ca);
  const node = ["-subj", "/CN=node", "-keyout", "node.key", "-out", "node.csr"];
  await openssl("req", ...ec, ...node);
  const names = "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n";
  await Deno.writeTextFile(`${folder}/names`, names);
  await openssl(
    ...["x509", "-req", "-in", "node.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"],
    ...["-days", "1", "-extfile", "names", "-out", "node.pem"],
  );
}
