/** `deno task token` and `deno task nodes` on a registry that several nodes open: a real etcd. */
import assert from "node:assert/strict";
import { openRegistry } from "../runtime/registry/mod.ts";
import { noteRegistry } from "../runtime/seat/mod.ts";
import { Authority, registryRecords } from "../runtime/trust/mod.ts";
import { ETCD, EtcdCluster } from "./support/etcd_server.ts";
import { runCommand } from "./support/run_command.ts";

const ignore = ETCD === undefined;
const why = ignore ? ", skipped: there is no etcd on the PATH" : "";

Deno.test({
  name: `deno task token and nodes work on an etcd, whether nodes run or not${why}`,
  ignore,
}, async (t) => {
  await using stack = new AsyncDisposableStack();
  const data = await Deno.makeTempDir({ prefix: "orrery-test-" });
  stack.defer(() => Deno.remove(data, { recursive: true }));
  const etcd = stack.use(await EtcdCluster.start(1));
  const where = ["--registry", etcd.url(), "--data", data];
  const run = (task: "token" | "nodes", ...args: string[]) => runCommand(task, "nodes", args);

  await t.step("an etcd without a cluster is named", async () => {
    const { stderr, code } = await run("token", "list", ...where);
    assert.equal(code, 1);
    assert.match(stderr, /^error: the registry etcd:\S+ holds no cluster: start a node with/);
  });
  const registry = await openRegistry(etcd.url(), { data });
  stack.defer(() => registry.close());
  const records = registryRecords(registry);
  const authority = await Authority.open({ data, records, create: true });
  for (const [i, node] of ["den:8421:0001", "attic:8421:0002"].entries()) {
    const admit = () => Promise.resolve(undefined); // as servers are taken in, without a token
    await authority.identities.claim({
      ...{ identity: `${i}`.repeat(64), node, untilMs: Date.now() + 60_000, admit },
    });
  }
  const term = { epoch: 1, node: "den:8421:0001", host: "10.0.0.1", port: 8421 };
  const value = new TextEncoder().encode(JSON.stringify(term));
  await registry.transact({ sets: [{ key: "coordinator", value }] });

  await t.step("token create prints a token of the cluster, and where to join", async () => {
    const { stdout, stderr, code } = await run("token", "create", ...where);
    assert.equal(code, 0, stderr);
    assert.match(stdout, new RegExp(`^o1${authority.fingerprint}::`));
    assert.match(stdout, /join with: deno task start --join 10\.0\.0\.1:8421 --token/);
    assert.equal((await authority.tokens.list()).length, 1);
  });
  await noteRegistry(data, etcd.url()); // as a node that was started with it does
  await t.step("token revoke finds the registry by the folder of a node", async () => {
    const [{ id }] = await authority.tokens.list();
    const { code, stderr } = await run("token", "revoke", id, "--data", data);
    assert.equal(code, 0, stderr);
    assert.deepEqual(await authority.tokens.list(), []);
  });
  await t.step("nodes lists who was taken in, and who coordinates", async () => {
    const { stdout, stderr } = await run("nodes", ...where);
    assert.match(stdout, /^den:8421:0001 .* first node +known$/m, stderr);
    assert.match(stdout, /^attic:8421:0002 .* none needed +known$/m);
  });
  await t.step("nodes remove takes any node but the one that coordinates", async () => {
    assert.match((await run("nodes", "remove", "den", ...where)).stderr, /stop it instead/);
    const { stdout, stderr } = await run("nodes", "remove", "attic", "--data", data);
    assert.match(stdout, /^removed attic:8421:0002: /, stderr);
    assert.deepEqual(await authority.identities.revoked(), ["1".repeat(64)]);
  });
});
