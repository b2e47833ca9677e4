/**
 * Nodes find their cluster on the local network: real processes, real multicast, in a network
 * namespace (Linux; elsewhere this test says that it is skipped, and `runtime/discovery` has tests
 * without a network).
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { LAN_ADDRESS, LanNamespace } from "./support/lan_namespace.ts";
import { EVEN, NodeProcess } from "./support/processes.ts";
import { TOKEN_OF_NOBODY } from "./support/trust.ts";

const probe = await LanNamespace.open();
await probe?.[Symbol.asyncDispose]();
const why = probe ? "" : " (skipped: this machine makes no network namespaces with interfaces)";

Deno.test({
  name: `deno task start --join finds the cluster of its token, or its own${why}`,
  ignore: !probe,
  async fn(t) {
    const lan = (await LanNamespace.open())!;
    await using stack = new AsyncDisposableStack();
    const folder = await Deno.makeTempDir({ prefix: "orrery-test-" });
    stack.defer(() => Deno.remove(folder, { recursive: true }));
    stack.use(lan);
    const start = (name: string, ...args: string[]) =>
      NodeProcess.start(["--data", join(folder, name), "--name", name, ...args], {
        within: lan.within,
      });
    const first = async (name: string, ...args: string[]) => {
      const node = stack.use(start(name, ...EVEN, ...args)); // nothing is measured
      const [, address, , token] = await node.join();
      return { address, token };
    };
    /** Where a node that has joined found the first node: its `add` line names that one. */
    const joined = async (node: NodeProcess) => (await node.line(/add .*--join (\S+)/))[1];
    // Two clusters that are announced, one that is not, and one that listens on loopback.
    const [den, lab] = await Promise.all([
      first("den", "--host", "0.0.0.0"),
      first("lab", "--host", LAN_ADDRESS),
      first("mum", "--host", "0.0.0.0", "--no-discovery"),
      first("shy"),
    ]);

    await t.step("a node without token or cluster is told which there are", async () => {
      await using node = start("new", "--join");
      assert.equal((await node.status()).code, 1);
      assert.match(node.output, /den at 10\.77\.0\.1:\d+ \(authority [0-9a-f]{8}\.\.\.\)/);
      assert.match(node.output, /lab at 10\.77\.0\.1:\d+/);
      assert.match(node.output, /joins the first time with --token/);
      assert.doesNotMatch(node.output, /mum|shy/);
    });
    await t.step("each token leads to its own cluster", async () => {
      await using one = start("attic", "--join", "--token", lab.token);
      await using two = start("cellar", "--join", "--token", den.token);
      assert.deepEqual([await joined(one), await joined(two)], [lab.address, den.address]);
      one.kill("SIGTERM");
      assert.equal((await one.status()).code, 0);
    });
    await t.step("a node that was in a cluster finds it without a token", async () => {
      await using node = start("attic", "--join");
      await node.line(/^ready .* on lab:/);
    });
    await t.step("a token of a cluster that is not announced leads nowhere", async () => {
      await using node = start("lost", "--join", "--token", TOKEN_OF_NOBODY);
      assert.equal((await node.status()).code, 1);
      assert.match(node.output, /none has the authority 00000000\.\.\./);
    });
  },
});
