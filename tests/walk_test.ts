/**
 * The walk of docs/cluster.md by a new user: two machines, with the commands as they stand there.
 * They are network namespaces on one bridge (Linux; elsewhere the test says that it is skipped).
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { LanMachines } from "./support/lan_machines.ts";
import { EVEN, NodeProcess } from "./support/processes.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

const probe = await LanMachines.open(2);
await probe?.[Symbol.asyncDispose]();
const why = probe ? "" : " (skipped: this machine makes no network namespaces with interfaces)";

Deno.test({
  name: `two machines: start, join by discovery, doctor, nodes, remove${why}`,
  ignore: !probe,
  async fn(t) {
    await using stack = new AsyncDisposableStack();
    const folder = await Deno.makeTempDir({ prefix: "orrery-test-" });
    stack.defer(() => Deno.remove(folder, { recursive: true }));
    const lan = stack.use((await LanMachines.open(2))!);
    const [here, there] = lan.machines;
    /** Runs `deno task NAME` of a machine to its end. */
    const task = async (
      { within: [command, ...args] }: typeof here,
      name: string,
      ...more: string[]
    ) => {
      const { code, stdout, stderr } = await new Deno.Command(command, {
        args: [...args, Deno.execPath(), "task", "-q", name, ...more],
        cwd: ROOT,
        env: { NO_COLOR: "1" },
      }).output();
      const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
      return { code, out: text(stdout) + text(stderr) };
    };
    const start = ({ within }: typeof here, name: string, ...args: string[]) =>
      stack.use(
        NodeProcess.start(["--data", join(folder, name), "--name", name, ...args], {
          within,
          ports: false, // each machine has the usual ones
        }),
      );
    // Layers are split evenly, so that nothing is measured.
    const den = start(here, "den", "--host", "0.0.0.0", ...EVEN);
    await den.ready(1);
    const [, , , token] = await den.join();

    await t.step("--join without an address finds the other machine", async () => {
      const attic = start(there, "attic", "--join", "--token", token);
      await attic.ready(2);
      assert.match((await attic.line(/^add .*/))[0], /--join 10\.77\.0\.1:8421/);
      await den.ready(2);
    });
    await t.step("doctor finds nothing wrong, from either machine", async () => {
      const { code, out } = await task(there, "doctor");
      assert.equal(code, 0, out);
      assert.match(out, /^den .* announced$/m);
      assert.match(out, /^attic .* hears it$/m);
      assert.match(out, /^den - attic +\d+\.\d\d ms +\d+ Mbit\/s +\d+ Mbit\/s$/m);
      assert.match(out, /^no problems: 2 nodes and 1 link examined/m);
    });
    await t.step("nodes lists both, and remove shuts one out", async () => {
      assert.match(
        (await task(here, "nodes")).out,
        /^attic +serving(, back)? +3-5 +10\.77\.0\.2:8421 /m,
      );
      const removed = await task(here, "nodes", "remove", "attic");
      assert.equal(removed.code, 0, removed.out);
      assert.match(removed.out, /^removed attic:8421:\w+: it never counts again/);
      await den.line(/^ready +\S+: layers 0-5 on this node$/);
      assert.doesNotMatch((await task(here, "nodes")).out, /attic/);
      const { code, out } = await task(here, "doctor");
      assert.equal(code, 0, "nobody misses a node that was removed: " + out);
    });
  },
});
