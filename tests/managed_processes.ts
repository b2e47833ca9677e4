/**
 * `--registry managed` with real nodes: etcd comes and goes with them, and the cluster outlives its
 * first node. `deno task bench:managed` kills every node in turn, and times it.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { answerText, untilAnswered } from "./support/answers.ts";
import { ETCD } from "./support/etcd_server.ts";
import { NodeProcess } from "./support/processes.ts";

const ignore = ETCD === undefined;
const why = ignore ? ", skipped: there is no etcd on the PATH" : "";

Deno.test({
  name: `deno task start --registry managed outlives its first node${why}`,
  ignore,
}, async (t) => {
  const data = await Deno.makeTempDir({ prefix: "orrery-test-" });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(data, { recursive: true }));
  const start = (name: string, ...options: string[]) =>
    stack.use(NodeProcess.start([
      ...["--data", join(data, name), "--name", name, "--threads", "1", "--log", "info"],
      ...options,
    ]));
  const first = start("a", "--registry", "managed", "--placement", "even");
  const joining = await first.join();
  const expected = await untilAnswered(await first.url());
  const others = [start("b", ...joining), start("c", ...joining)];

  await t.step("nodes that join become servers", async () => {
    for (const node of others) await node.line(/this node is a server of the registry now/);
    for (const node of others) assert.equal(await answerText(await node.url()), expected.text);
  });
  await t.step("the first node is killed, and its etcd with it", async () => {
    await first.line(/etcd: the member of node "[bc]-0-\w+" leads now/);
    const [{ name }] = [...Deno.readDirSync(join(data, "a", "registry", "etcd"))];
    const file = join(data, "a", "registry", "etcd", name, "member.json");
    const { ports } = JSON.parse(await Deno.readTextFile(file));
    first.kill("SIGKILL");
    await first.status();
    for (const node of others) {
      assert.equal((await untilAnswered(await node.url())).text, expected.text);
    }
    await assert.rejects(Deno.connect({ hostname: "127.0.0.1", port: ports.clients }));
  });
  await t.step("started again with no more than its data, it is a member", async () => {
    const back = start("a");
    assert.equal((await untilAnswered(await back.url())).text, expected.text);
    const [, authority] = /--token (o1[0-9a-f]{64})/.exec(joining.join(" "))!;
    assert.ok((await back.join()).join(" ").includes(authority), "the authority is the same");
  });
  await t.step("what it had embedded is not used again", async () => {
    const wrong = start("a", "--registry", "embedded");
    assert.equal((await wrong.status()).code, 1);
    assert.match(wrong.output, /start this node with --registry managed/);
  });
});
