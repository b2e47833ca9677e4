/**
 * etcd members that Orrery runs itself, as real processes on loopback.
 */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "node:tls";
import { fileURLToPath } from "node:url";
import { hasCode, type Registry } from "../actors/mod.ts";
import { etcdVersion, LocalMember, MemberList, takeOverState } from "../runtime/etcd/mod.ts";
import { EtcdClient, openRegistry } from "../runtime/registry/mod.ts";
import { Authority, registryRecords, signRegistryServer } from "../runtime/trust/mod.ts";
import { createKey, signAuthority, signNode } from "../runtime/trust/sign.ts";
import { ETCD } from "./support/etcd_server.ts";
import { listMembers, ManagedEtcdWorld } from "./support/managed_etcd.ts";
import { increment } from "./support/registry_world.ts";

const ignore = ETCD === undefined;
const why = ignore ? ", skipped: there is no etcd on the PATH" : "";
const text = (value: Uint8Array | undefined) => new TextDecoder().decode(value);

Deno.test({
  name: `ManagedRegistry grows to three members, and goes on when any of them is lost${why}`,
  ignore,
  async fn(t) {
    await using world = await ManagedEtcdWorld.create();
    const registry = (await world.open("a", { first: true })).registry!;
    assert.deepEqual(await world.members("a"), ["a"]);
    await registryRecords(registry).authority.update((value) =>
      void (value.authority = { ...world.authority, epoch: 1 })
    );
    let count = 0;
    const write = async (through: Registry) => {
      await increment(through, "count");
      count++;
    };
    await write(registry);

    await t.step("with two the second one has no vote, and is no server", async () => {
      await world.coordinate("a");
      const b = await world.open("b");
      await world.until("a", ["a", "b (learner)"]);
      assert.equal(b.managed.server, false);
    });
    await t.step("with three all are servers", async () => {
      await world.open("c");
      await world.until("a", ["a", "b", "c"]);
      await write(await world.serves("b"));
      await write(await world.serves("c"));
    });
    await t.step("a fourth node is told that there is no place", async () => {
      const d = await world.open("d");
      await world.heard("d");
      assert.deepEqual([d.managed.server, d.managed.pid], [false, undefined]);
    });
    await t.step("the coordinator's member does not lead", async () => {
      const client = await world.nodes.get("a")!.managed.client({ own: true });
      const list = new MemberList(client);
      while (await list.leader() === world.nodes.get("a")!.managed.memberId) {
        await world.heard("a");
      }
      client.close();
    });

    await t.step("one that is silent for long is replaced", async () => {
      await world.crash("c");
      await world.coordinate("b", { goneMs: 200, freshMs: 1_000 });
      await world.until("a", ["a", "b", "d"]);
      await write(registry);
    });
    await t.step("it comes back without its data, and takes a place that is free", async () => {
      const c = await world.open("c");
      await write(c.registry!); // it is a server still, by the members of others
      while (c.managed.memberId !== undefined) await world.heard("c");
      assert.equal(c.managed.pid, undefined);
      world.removed.add("d");
      await world.until("a", ["a", "b", "c"]);
      while (world.nodes.get("d")!.managed.memberId !== undefined) await world.heard("d");
    });

    for (const name of ["a", "b", "c"]) {
      await t.step(`${name} is killed, and comes back as the same member`, async () => {
        const id = world.nodes.get(name)!.managed.memberId;
        const other = world.nodes.get(name === "a" ? "b" : "a")!.registry!;
        await world.crash(name);
        await write(other);
        const { managed, registry } = await world.open(name);
        assert.equal(managed.memberId, id);
        await world.answers(name);
        await write(registry!);
      });
    }
    await t.step("one is stopped for a while", async () => {
      const b = world.nodes.get("b")!.managed.pid!;
      Deno.kill(b, "SIGSTOP");
      await write(world.nodes.get("a")!.registry!);
      Deno.kill(b, "SIGCONT");
      await world.answers("b");
    });
    await t.step("a process that dies is started again", async () => {
      Deno.kill(world.nodes.get("c")!.managed.pid!, "SIGKILL");
      await world.answers("c");
    });
    await t.step("all are killed, and come back with nobody to ask", async () => {
      await Promise.all(["a", "b", "c"].map((name) => world.crash(name)));
      const [{ registry }] = await Promise.all(["a", "b", "c"].map((name) => world.open(name)));
      assert.equal(text((await registry!.get("count"))?.value), String(count));
    });
  },
});

async function temporaryFolder() {
  const path = await Deno.makeTempDir({ prefix: "orrery-managed-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/** A member of a cluster of its own. */
async function singleMember(folder: string, authorityKey: string) {
  const sign = (hosts: string[]) => signRegistryServer(authorityKey, { hosts });
  const host = "127.0.0.1";
  const member = await LocalMember.open({
    ...{ folder, name: "a", host, advertise: () => host, sign },
  });
  await member.bootstrap(AbortSignal.timeout(20_000));
  return { member, sign, [Symbol.asyncDispose]: () => member.close() };
}

Deno.test({
  name: `LocalMember takes in nobody without a certificate for the registry${why}`,
  ignore,
  async fn(t) {
    const authority = await createKey();
    await using folder = await temporaryFolder();
    await using single = await singleMember(folder.path, authority.pem);
    const { member: a, sign } = single;
    const { endpoints: [url], certFile, caFile } = a.address;
    const file = `${folder.path}/other.pem`;
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
        ...{
          state: "member",
          memberId: memberId!,
          initialCluster: "",
          votes: true,
          endpoints: [url],
        },
        certificate: await sign(hosts),
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
        fileURLToPath(new URL("support/etcd_parent.ts", import.meta.url)),
        folder,
      ],
      stdin: "null",
      stdout: "piped",
    }).spawn();
    try {
      const said = parent.stdout.pipeThrough(new TextDecoderStream()).getReader();
      const port = Number((await said.read()).value);
      const connects = () =>
        Deno.connect({ hostname: "127.0.0.1", port }).then((etcd) => etcd.close());
      await connects();
      parent.kill("SIGKILL");
      const end = performance.now() + 20_000;
      while (await connects().then(() => true, () => false)) {
        assert.ok(performance.now() < end, "etcd runs on without its parent");
        await sleep(20);
      }
      await said.cancel();
    } finally {
      await parent.status;
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test({
  name: `takeOverState() takes over the embedded registry and the files of the authority${why}`,
  ignore,
  async fn() {
    await using world = await ManagedEtcdWorld.create();
    const data = world.data("a");
    const source = await openRegistry("embedded", { data });
    const large = crypto.getRandomValues(new Uint8Array(65_536));
    await source.transact({ sets: [{ key: "graphs/main", value: large }] });
    const authority = await Authority.open({ data, create: true });
    const token = await authority.tokens.create({ uses: 1, ttlMs: 60_000, note: "test" });
    const registry = (await world.open("a", { first: true })).registry!;

    await assert.rejects(takeOverState(data, registry), (error) => hasCode(error, "in_use"));
    await source.close();
    await takeOverState(data, registry);
    assert.deepEqual((await registry.get("graphs/main"))?.value, large);
    const taken = await Authority.open({ data, records: registryRecords(registry) });
    assert.equal(taken.fingerprint, authority.fingerprint);
    await taken.tokens.use(token);
    await takeOverState(data, registry); // what changed there since stays
    await assert.rejects(taken.tokens.use(token), (error) => hasCode(error, "token_used_up"));
    await assert.rejects(openRegistry("embedded", { data }), (error) => hasCode(error, "moved"));
  },
});

Deno.test({
  name: `etcdVersion() says which etcd is there${why}`,
  ignore,
  async fn() {
    assert.match(await etcdVersion(), /^\d+\.\d+\.\d+/);
  },
});
