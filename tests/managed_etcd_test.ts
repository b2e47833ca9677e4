/**
 * etcd members that Orrery runs itself, as real processes on loopback.
 */
import assert from "node:assert/strict";
import { connect } from "node:tls";
import { etcdVersion } from "../runtime/etcd/mod.ts";
import { copyRegistry, EtcdClient, openRegistry } from "../runtime/registry/mod.ts";
import { createKey, readKey, signAuthority, signNode } from "../runtime/trust/sign.ts";
import { ETCD } from "./support/etcd_server.ts";
import { listMembers, ManagedEtcdWorld } from "./support/managed_etcd.ts";
import { increment } from "./support/registry_suite.ts";

const ignore = ETCD === undefined;
const why = ignore ? ", skipped: there is no etcd on the PATH" : "";
const text = (value: Uint8Array | undefined) => new TextDecoder().decode(value);

Deno.test({
  name: `EtcdMembers grows to three members, and goes on when any of them is lost${why}`,
  ignore,
  async fn(t) {
    await using world = await ManagedEtcdWorld.create();
    const a = await world.open("a", { signs: true });
    await t.step("one", async () => {
      await a.bootstrap(AbortSignal.timeout(20_000));
      assert.deepEqual(await world.members("a"), ["a"]);
    });
    const registry = await world.registry("a");
    await increment(registry, "count");
    let count = 1;

    await t.step("two: the second one has no vote", async () => {
      await world.coordinate("a");
      await world.open("b");
      await world.until("a", ["a", "b (learner)"]);
    });
    await t.step("three", async () => {
      await world.open("c");
      await world.until("a", ["a", "b", "c"]);
      // A node without a place is told so, and runs nothing.
      const d = await world.open("d");
      await world.heard();
      assert.deepEqual([d.seated, d.pid], [false, undefined]);
    });

    await t.step("one that is silent for long is replaced", async () => {
      await world.crash("c");
      await world.coordinate("b", { goneMs: 200, freshMs: 1_000 });
      await world.until("a", ["a", "b", "d"]);
      await increment(registry, "count");
      count++;
    });
    await t.step("and comes back without its data", async () => {
      const c = await world.open("c", { signs: true });
      const before = c.offer.memberId;
      assert.equal(await c.resume(), true);
      await world.heard();
      assert.deepEqual([c.seated, c.pid], [false, undefined]);
      world.remove("d"); // now there is a place
      await world.until("a", ["a", "b", "c"]);
      assert.notEqual(c.offer.memberId, before);
      assert.equal(world.nodes.get("d")!.seated, false);
    });
    for (const name of ["a", "b", "c"]) {
      await t.step(`${name} is killed, and comes back as the same member`, async () => {
        const id = world.nodes.get(name)!.offer.memberId;
        await world.crash(name);
        await increment(registry, "count");
        const back = await world.open(name, { signs: true });
        assert.equal(await back.resume(), true);
        assert.equal(back.offer.memberId, id);
        await world.answers(name);
        count++;
      });
    }
    await t.step("one is stopped for a while", async () => {
      const b = world.nodes.get("b")!.pid!;
      Deno.kill(b, "SIGSTOP");
      await increment(registry, "count");
      Deno.kill(b, "SIGCONT");
      await world.answers("b");
      count++;
    });
    await t.step("a process that dies is started again", async () => {
      Deno.kill(world.nodes.get("c")!.pid!, "SIGKILL");
      await world.answers("c");
    });

    assert.equal(text((await registry.get("count"))?.value), String(count));
    const own = await world.registry("c");
    assert.equal(text((await own.get("count"))?.value), String(count));
  },
});

Deno.test({
  name: `LocalMember takes in nobody without a certificate for the registry${why}`,
  ignore,
  async fn(t) {
    await using world = await ManagedEtcdWorld.create();
    const a = await world.open("a", { signs: true });
    await a.bootstrap(AbortSignal.timeout(20_000));
    const { endpoints: [url], certFile, caFile } = a.address;
    const file = `${world.folder}/other.pem`;
    const ask = async (pem: string | undefined, at: string) => {
      if (pem !== undefined) await Deno.writeTextFile(file, pem);
      const certificate = pem === undefined ? {} : { certFile: file, keyFile: file };
      const client = await EtcdClient.open({
        ...{ endpoints: [at], caFile, prefix: "", ...certificate },
      });
      try {
        await listMembers(client);
      } finally {
        client.close();
      }
    };
    const authority = await readKey(world.authorityKey);
    const node = await createKey();
    const issued = await signNode(authority, await signAuthority(authority), {
      publicKey: node.keys.publicKey,
      node: "den:8421:149f",
      untilMs: Date.now() + 60_000,
      takesJoins: true,
    });
    const stranger = await createKey();
    const strangers = {
      "none": undefined,
      "a node's, of the same authority": issued.client + "\n" + node.pem,
      "a node's server certificate": issued.server + "\n" + node.pem,
      "one that its owner signed": (await signAuthority(stranger)) + "\n" + stranger.pem,
    };
    for (const [name, pem] of Object.entries(strangers)) {
      await t.step(name, async () => {
        await assert.rejects(ask(pem, url));
        await assert.rejects(ask(pem, a.offer.peerUrl));
      });
    }
    await t.step("its own is good", async () => ask(await Deno.readTextFile(certFile!), url));

    await t.step("a new certificate is used without a restart", async () => {
      const pem = await Deno.readTextFile(certFile!);
      const serial = async () => {
        const { port } = new URL(url);
        const socket = connect({
          ...{ host: "127.0.0.1", port: Number(port), cert: pem, key: pem },
          rejectUnauthorized: false,
        });
        await new Promise((resolve, reject) => {
          socket.once("secureConnect", resolve).once("error", reject);
        });
        const { serialNumber } = socket.getPeerCertificate();
        socket.destroy();
        return serialNumber;
      };
      const [pid, before] = [a.pid, await serial()];
      const { memberId, hosts } = a.offer;
      await a.take({
        ...{ state: "member", memberId: memberId!, initialCluster: "", endpoints: [url] },
        certificate: await world.sign(hosts),
      });
      assert.notEqual(await serial(), before);
      assert.equal(a.pid, pid);
    });

    await t.step("a client reads a certificate that was renewed", async () => {
      await Deno.writeTextFile(file, issued.client + "\n" + node.pem);
      const client = await EtcdClient.open({
        ...{ endpoints: [url], caFile, certFile: file, keyFile: file, prefix: "" },
      });
      await assert.rejects(listMembers(client));
      await Deno.writeTextFile(file, await Deno.readTextFile(certFile!));
      await client.readAgain();
      await listMembers(client);
      client.close();
    });
  },
});

Deno.test({
  name: `run_etcd.sh ends etcd when its parent is killed${why}`,
  ignore,
  async fn() {
    const folder = await Deno.makeTempDir({ prefix: "orrery-managed-" });
    const parent = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        "-q",
        new URL("support/etcd_parent.ts", import.meta.url).pathname,
        folder,
      ],
      stdin: "null",
      stdout: "piped",
    }).spawn();
    try {
      const said = parent.stdout.pipeThrough(new TextDecoderStream()).getReader();
      const port = Number((await said.read()).value);
      using etcd = await Deno.connect({ hostname: "127.0.0.1", port });
      const ended = etcd.read(new Uint8Array(1)).catch(() => null);
      parent.kill("SIGKILL");
      assert.equal(await ended, null);
      await assert.rejects(Deno.connect({ hostname: "127.0.0.1", port }));
      await said.cancel();
    } finally {
      await parent.status;
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test({
  name: `copyRegistry() takes over an embedded registry into etcd${why}`,
  ignore,
  async fn() {
    await using world = await ManagedEtcdWorld.create();
    const a = await world.open("a", { signs: true });
    const source = await openRegistry("embedded", { data: world.folder });
    try {
      const large = crypto.getRandomValues(new Uint8Array(65_536));
      await source.transact({ sets: [{ key: "graphs/main", value: large }] });
      await a.bootstrap(AbortSignal.timeout(20_000));
      const target = await world.registry("a");
      const names = { from: "embedded", to: "managed" };
      assert.equal(await copyRegistry(source, target, names), 1);
      assert.deepEqual((await target.get("graphs/main"))?.value, large);
    } finally {
      await source.close();
    }
  },
});

Deno.test({
  name: `etcdVersion() says which etcd is there${why}`,
  ignore,
  async fn() {
    assert.match(await etcdVersion(), /^\d+\.\d+\.\d+/);
  },
});
