/**
 * `deno task test:archive`: the archive of this machine's processor, made and then started without a
 * network, with a home folder and a Deno cache that are empty (Linux).
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { arch } from "node:process";
import { ARCHES, writeArchiveFolder } from "../deploy/package_archive.ts";
import { LanNamespace } from "./support/lan_namespace.ts";

/** Milliseconds in which the node must have answered and ended. */
const LIMIT_MS = 120_000;

/** Printed behind the answer. */
const DONE = "The node goes on serving";

const known = ARCHES.find((name) => name === arch);
const probe = known && await LanNamespace.open();
await probe?.[Symbol.asyncDispose]();
const why = !known
  ? ` (skipped: there is no archive for ${arch})`
  : probe
  ? ""
  : " (skipped: this machine makes no network namespaces)";

Deno.test({
  name: `an archive answers without npx, network and cache${why}`,
  ignore: why !== "",
  async fn() {
    const folder = await Deno.makeTempDir({ prefix: "orrery-test-" });
    await using lan = (await LanNamespace.open())!; // it has no route to anywhere
    try {
      const made = await writeArchiveFolder(folder, known!);
      const moved = join(folder, "moved");
      await Deno.rename(made, moved);
      const home = join(folder, "home");
      await Deno.mkdir(home);
      const [nsenter, ...within] = lan.within;
      const orrery = (...args: string[]) =>
        new Deno.Command(nsenter, {
          args: [...within, join(moved, "orrery"), ...args],
          cwd: home,
          clearEnv: true,
          env: { HOME: home, PATH: "/usr/bin:/bin", NO_COLOR: "1" },
          ...{ stdin: "null", stdout: "piped", stderr: "piped" },
          signal: AbortSignal.timeout(LIMIT_MS),
        });
      const node = orrery(
        "start",
        "--port",
        "0",
        "--mailbox-port",
        "0",
        "--ask",
        "Why does it rain?",
      )
        .spawn();
      let said = "";
      for await (const piece of node.stdout.pipeThrough(new TextDecoderStream())) {
        const asked = said.includes(DONE);
        said += piece;
        if (!asked && said.includes(DONE)) node.kill("SIGINT"); // a second one would not drain
      }
      const { code, stderr } = await new Response(node.stderr).text()
        .then(async (stderr) => ({ ...await node.status, stderr }));
      assert.equal(code, 0, said + stderr);
      assert.equal(stderr, "", "nothing is fetched, and nothing goes wrong");
      assert.match(said, /^ready +embedded: layers 0-5 on this node$/m);
      assert.match(said, /rain falls when/i);
      assert.ok(said.includes(`${join(moved, "orrery")} start --join`), "it names itself");
      const { stdout } = await orrery("models", "list", "--json").output();
      const listed = JSON.parse(new TextDecoder().decode(stdout));
      assert.match(JSON.stringify(listed), /"embedded"/);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
