/**
 * `deno task test:arm64`: the product on arm64, emulated by QEMU on a machine of another processor.
 * Its texts are those of this machine, at every precision, and the two answer together.
 *
 * It needs qemu-aarch64 of QEMU 10 (Debian 13's `qemu-user`; version 7.2 of Debian 12 crashes), the
 * C and C++ libraries of arm64 (`libc6-arm64-cross`, `libstdc++6-arm64-cross`; `QEMU_LD_PREFIX`
 * names another folder than /usr/aarch64-linux-gnu) and npm, which fetches deno for arm64. Where one
 * of them is missing, the test is skipped, and its name says why.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fetchDeno } from "../deploy/package_archive.ts";
import { PRECISIONS } from "../models/mod.ts";
import { findProgram } from "./support/find_program.ts";
import { EVEN, NodeProcess, type ProcessOptions } from "./support/processes.ts";

const QUESTIONS = ["Why does it rain?", "How do bees make honey?"];
const MOST_TOKENS = 16;
/** An emulated node takes some hundred times as long as a real one. Milliseconds. */
const PATIENCE_MS = 600_000;
/** Oldest QEMU that runs deno. */
const LEAST_QEMU = 10;

const SYSROOT = Deno.env.get("QEMU_LD_PREFIX") || "/usr/aarch64-linux-gnu";
const LOADER = join(SYSROOT, "lib", "ld-linux-aarch64.so.1");
const ENGINE = fileURLToPath(
  new URL(
    "../node_modules/onnxruntime-node/bin/napi-v6/linux/arm64/libonnxruntime.so.1",
    import.meta.url,
  ),
);

const exists = (path: string) => Deno.stat(path).then(() => true, () => false);

/** What is missing; undefined: nothing is. */
async function missing(qemu: string | undefined): Promise<string | undefined> {
  if (qemu === undefined) return "there is no qemu-aarch64 on the PATH (qemu-user)";
  const { stdout } = await new Deno.Command(qemu, { args: ["--version"] }).output();
  const [, version] = /version (\d+)/.exec(new TextDecoder().decode(stdout)) ?? [];
  if (!(Number(version) >= LEAST_QEMU)) {
    return `${qemu} has version ${version}, and deno needs ${LEAST_QEMU}`;
  }
  if (!await exists(LOADER)) return `there is no ${LOADER} (libc6-arm64-cross)`;
  if (!await exists(ENGINE)) return `there is no ${ENGINE} (a slim node_modules)`;
  if (await findProgram("npm") === undefined) return "there is no npm on the PATH";
}

const qemu = await findProgram("qemu-aarch64") ?? await findProgram("qemu-aarch64-static");
const why = await missing(qemu);

/** Answers of a node to {@linkcode QUESTIONS}. */
async function answers(url: string): Promise<string[]> {
  const texts: string[] = [];
  for (const content of QUESTIONS) {
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        ...{ messages: [{ role: "user", content }], temperature: 0, max_tokens: MOST_TOKENS },
      }),
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    const text = await response.text();
    assert.equal(response.status, 200, text);
    texts.push(JSON.parse(text).choices[0].message.content);
  }
  return texts;
}

Deno.test({
  name: "arm64 answers as this machine does, alone and with it in one cluster" +
    (why === undefined ? "" : ` (skipped: ${why})`),
  ignore: why !== undefined,
  async fn(t) {
    const folder = await Deno.makeTempDir({ prefix: "orrery-test-" });
    try {
      await fetchDeno("arm64", folder);
      const emulated: ProcessOptions = {
        deno: [qemu!, "-L", SYSROOT, join(folder, "deno")],
        // A cache of its own: what V8 keeps there is for one processor.
        env: { PATH: Deno.env.get("PATH")!, HOME: folder, DENO_DIR: join(folder, "cache") },
        patienceMs: PATIENCE_MS,
      };
      /** A node with a store of its own. */
      const start = (name: string, args: string[], options: ProcessOptions = {}) =>
        NodeProcess.start(["--data", join(folder, name), ...EVEN, "--draft", "none", ...args], {
          ...{ patienceMs: PATIENCE_MS, ...options },
        });
      for (const precision of PRECISIONS) {
        await t.step(precision, async () => {
          const args = ["--precision", precision];
          await using here = start(`here-${precision}`, args);
          await using there = start(`there-${precision}`, args, emulated);
          const mine = await answers(await here.ready(1));
          assert.ok(mine.every((text) => text.length > 20), mine.join("\n"));
          assert.deepEqual(await answers(await there.ready(1)), mine);
        });
      }
      await t.step("in one cluster", async () => {
        await using alone = start("alone", []);
        await using first = start("first", ["--nodes", "2"]);
        const options = await first.join();
        await using _second = NodeProcess.start(
          ["--data", join(folder, "second"), ...options],
          emulated,
        );
        const url = await first.ready(2);
        assert.deepEqual(await answers(url), await answers(await alone.ready(1)));
      });
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
