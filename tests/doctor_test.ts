/** `deno task doctor` with real nodes: sound ones, one that is stopped, and none. */
import assert from "node:assert/strict";
import { join } from "node:path";
import config from "../deno.json" with { type: "json" };
import { doctorReportSchema } from "../runtime/doctor/mod.ts";
import { VERSION } from "../runtime/version.ts";
import { EVEN, NodeProcess } from "./support/processes.ts";
import { runCommand } from "./support/run_command.ts";

const doctor = (...args: string[]) => runCommand("doctor", "doctor", args);

Deno.test("VERSION is that of deno.json", () => assert.equal(VERSION, config.version));

Deno.test("deno task doctor examines every node and link, and says what is wrong", async (t) => {
  const data = await Deno.makeTempDir({ prefix: "orrery-test-" });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(data, { recursive: true }));
  const start = (name: string, ...args: string[]) =>
    stack.use(NodeProcess.start(["--data", join(data, name), "--name", name, ...args]));
  const first = start("den", ...EVEN);
  const url = await first.ready(1);
  const attic = start("attic", ...await first.join());
  const atticUrl = await attic.ready(2);

  await t.step("a sound cluster has no problems, whichever node is asked", async () => {
    const { code, stdout, stderr } = await doctor("--url", url);
    assert.equal(code, 0, stdout + stderr);
    const lines = stdout.split("\n");
    assert.match(
      lines[0],
      /^NODE +VERSION +CLOCK +CERTIFICATE +DISK +MEMORY +REGISTRY +DISCOVERY$/,
    );
    assert.match(lines[1], /^den +\S+ \(protocol \S+\) +reference +23 h +\S+ GiB free .* off$/);
    assert.match(lines[1], / embedded +off$/);
    assert.match(lines[2], / asked +off$/);
    assert.match(lines[2], /^attic +\S+ \(protocol \S+\) +[+-]\d+ ms ±\d+ +23 h /);
    assert.match(stdout, /^den - attic +\d+\.\d\d ms +\d+ Mbit\/s +\d+ Mbit\/s$/m);
    assert.match(stdout, /no problems: 2 nodes and 1 link examined in \d+\.\d s/);
    const asked = await doctor("--url", atticUrl, "--json");
    assert.equal(asked.code, 0, asked.stdout);
    const report = doctorReportSchema.parse(JSON.parse(asked.stdout));
    assert.match(report.asked, /^attic:/);
    assert.deepEqual(report.nodes.map((n) => n.state), ["examined", "examined"]);
  });
  await t.step("deno task logs, status and upgrade tell of all nodes at any of them", async () => {
    const target = ["--url", url];
    const logs = await runCommand("logs", "chat", ["attic", "--json", ...target]);
    assert.equal(logs.code, 0, logs.stderr);
    const records = logs.stdout.trim().split("\n").map((line) => JSON.parse(line));
    assert.ok(records.some(({ text }) => /loads layers/.test(text)), logs.stdout);
    const nobody = await runCommand("logs", "chat", ["cellar", ...target]);
    assert.deepEqual([nobody.code, /no node is called "cellar"/.test(nobody.stderr)], [1, true]);
    const status = await runCommand("status", "chat", ["--url", atticUrl]);
    assert.equal(status.code, 0, status.stdout + status.stderr);
    assert.match(status.stdout, /^ok 2 nodes, 0 requests running, 0 waiting\n/);
    assert.match(status.stdout, /^den:0:\w+ \(first\) +alive +0-2 /m);
    const upgrade = await runCommand("upgrade", "chat", ["--json", ...target]);
    assert.equal(upgrade.code, 0, upgrade.stderr);
    const { nodes } = JSON.parse(upgrade.stdout);
    assert.deepEqual(
      nodes.map(({ program, first }: Record<string, unknown>) => [program, first]),
      [[VERSION, false], [VERSION, true]],
    );
  });
  await t.step("keys that others may read are a problem with its remedy", async () => {
    const file = join(data, "attic", "trust", "nodes", "attic-0.json");
    await Deno.chmod(file, 0o644);
    const { code, stdout } = await doctor("--url", url);
    assert.equal(code, 1);
    assert.match(stdout, /^1 problem\n {2}attic:0:\w+ permissions: other users .*\(mode 644\)$/m);
    assert.ok(stdout.includes(`do chmod 600 ${file}\n`), stdout);
    await Deno.chmod(file, 0o600);
  });
  await t.step("a node that stands still is a line, and no hang", async () => {
    attic.kill("SIGSTOP");
    const { code, stdout } = await doctor("--url", url);
    attic.kill("SIGCONT");
    assert.equal(code, 1);
    assert.match(stdout, /^attic +no answer$/m);
    assert.match(stdout, /attic:0:\w+ answer: it does not answer: .*\n {4}do see whether/);
  });
  await t.step("without a first node the one that is asked examines itself", async () => {
    first.kill("SIGKILL");
    await first.status();
    const { code, stdout } = await doctor("--url", atticUrl);
    assert.equal(code, 1);
    assert.match(stdout, /cluster: the node that leads the cluster does not answer/);
    assert.match(stdout, /^attic +\S+ \(protocol/m);
  });
  await t.step("without a node it examines the files, and says so", async () => {
    const { code, stdout } = await doctor("--url", url, "--data", join(data, "den"));
    assert.equal(code, 1);
    assert.match(stdout, /^no node was asked; this is what the files in .* show$/m);
    assert.match(stdout, /^authority +[0-9a-f]{16}\.\.\., good for \d+ days$/m);
    assert.match(stdout, /^ {2}node: no node answers at http:/m);
    const broken = join(data, "den", "trust", "authority.json");
    await Deno.writeTextFile(broken, "{", { mode: 0o600 });
    const json = JSON.parse(
      (await doctor("--url", url, "--data", join(data, "den"), "--json"))
        .stdout,
    );
    assert.deepEqual(json.problems.map((p: { about: string }) => p.about), ["node", "trust"]);
    assert.equal((await doctor("--url", url, "--data", join(data, "no"), "--json")).code, 1);
    assert.equal((await doctor("--nope")).code, 2);
  });
});
