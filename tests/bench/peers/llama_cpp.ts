// deno-lint-ignore-file no-console -- its last line is its answer
/**
 * llama.cpp on one emulated device, for `bench:edge`: `deno task bench:edge --peer "deno task -q
 * bench:llama"`. It runs the same random checkpoint as Q4_0 with a Q8_0 head, with the native
 * kernels that llama.cpp chooses for this processor, in the process that measures: no server and no
 * HTTP stand between them, which favours it.
 *
 * llama.cpp comes with the package `node-llama-cpp`, which is no dependency of this project:
 * `deno task bench:llama --install` fetches it (85 MB) into the benchmark's data folder.
 *
 * @module
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { fileURLToPath } from "node:url";
import { type PeerAnswer, type PeerRequest, peerRequestSchema } from "../edge/peer.ts";
import { medianOf } from "../shared/figures.ts";
import type { LlamaJob, LlamaResult } from "./llama_cpp_device.ts";
import {
  DEFAULT_DATA,
  LLAMA_VERSION,
  llamaArguments,
  llamaEntry,
  llamaFolder,
  prepareGguf,
  requireLlama,
} from "./llama_cpp_files.ts";

/** Version of the package manager that installs it. */
const NPM = "npm:npm@11";

const { values: args } = parseArgs({
  options: {
    install: { type: "boolean", default: false },
    /** Folder of the package and of the GGUF files: bench:edge's `--data`. */
    data: { type: "string", default: DEFAULT_DATA },
  },
});

/**
 * Installs the package and the binaries for this machine's processor alone: its optional packages
 * with binaries for graphics cards take 600 MB.
 */
async function install(data: string): Promise<void> {
  const folder = llamaFolder(data);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "package.json"), '{ "private": true }\n');
  const machine = { x86_64: "x64", aarch64: "arm64" }[Deno.build.arch];
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", "-q", "--no-config", "--no-lock", NPM, "install", "--ignore-scripts"],
      ...["--no-audit", "--no-fund", "--omit=optional", `node-llama-cpp@${LLAMA_VERSION}`],
      `@node-llama-cpp/linux-${machine}@${LLAMA_VERSION}`,
    ],
    cwd: folder,
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  }).spawn();
  const { code } = await child.status;
  if (code !== 0) throw new Error(`node-llama-cpp ${LLAMA_VERSION} could not be installed`);
}

/** Measures llama.cpp on the first device. */
async function measure({ devices, model, measure, repeats }: PeerRequest): Promise<PeerAnswer> {
  const job: LlamaJob = {
    entry: llamaEntry(model.data),
    model: await prepareGguf(model),
    threads: 1,
    requests: [
      ...measure.ttft_prompts.map((prompt) => ({ prompt, tokens: 1 })),
      measure.decode,
      measure.request,
    ],
    repeats,
  };
  const [{ command: [program, ...prefix], env }] = devices;
  const child = new Deno.Command(program, {
    args: [
      ...prefix,
      Deno.execPath(),
      ...llamaArguments(fileURLToPath(new URL("llama_cpp_device.ts", import.meta.url))),
      JSON.stringify(job),
    ],
    cwd: llamaFolder(model.data),
    env: { ...env, NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const { code, stdout } = await child.output();
  if (code !== 0) throw new Error(`llama.cpp ended with status ${code}`);
  const result: LlamaResult = JSON.parse(
    new TextDecoder().decode(stdout).trimEnd().split("\n").at(-1)!,
  );
  const [decode, request] = result.measured.slice(measure.ttft_prompts.length);
  const first = (i: number) => medianOf(result.measured[i].map((m) => m.ttftS));
  return {
    peer: `llama.cpp ${result.release}`,
    rows: [{
      name: "one device",
      devices: 1,
      mode: "plain",
      ttft_s: Object.fromEntries(measure.ttft_prompts.map((n, i) => [String(n), first(i)])),
      decode_tokens_per_s: medianOf(decode.map((m) => (m.tokens - 1) / (m.totalS - m.ttftS))),
      request_s: medianOf(request.map((m) => m.totalS)),
      resident_bytes: [result.residentBytes],
    }],
    notes: [
      `node-llama-cpp ${LLAMA_VERSION}, Q4_0 with a Q8_0 head, KV in f16, one thread, no server; ` +
      `${
        Math.round(100 * result.chained)
      } % of its tokens are those that the model was made to say`,
      "resident: without what Deno itself took before llama.cpp was loaded",
    ],
  };
}

if (args.install) {
  await install(args.data);
} else {
  const request = peerRequestSchema.parse(await new Response(Deno.stdin.readable).json());
  await requireLlama(request.model.data);
  console.log(JSON.stringify(await measure(request)));
}
