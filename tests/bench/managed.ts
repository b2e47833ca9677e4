/**
 * `deno task bench:managed`: three nodes with `--registry managed` as processes, each of which is
 * killed in turn and started again, the first one too. Prints how long the others were without an
 * answer, and fails when one stays so or answers something else.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a command talks to its user
import { join } from "node:path";
import { parseArgs } from "node:util";
import { setTimeout as sleep } from "node:timers/promises";
import { answerText, untilAnswered } from "../support/answers.ts";
import { NodeProcess } from "../support/processes.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "2" },
    even: { type: "boolean", default: false },
    log: { type: "boolean", default: false },
  },
});

/**
 * Milliseconds before the next node is killed: nodes begin to copy the weights of others five seconds
 * after a deployment began to serve.
 */
const REST_MS = 10_000;
const NAMES = ["a", "b", "c"] as const;

const data = await Deno.makeTempDir({ prefix: "orrery-managed-" });
const nodes = new Map<string, NodeProcess>();
const urls = new Map<string, string>();
let joining: string[] = [];

function start(name: string): NodeProcess {
  const own = name === "a"
    ? ["--nodes", "3", "--registry", "managed", ...values.even ? ["--placement", "even"] : []]
    : joining;
  const options = ["--data", join(data, name), "--name", name, "--threads", "1", "--log", "info"];
  const node = NodeProcess.start([...options, ...own]);
  nodes.set(name, node);
  return node;
}

/** Nodes that have coordinated in this life of theirs, the last one that did first. */
const coordinators = () =>
  NAMES.filter((name) => {
    const { output } = nodes.get(name)!;
    return output.lastIndexOf("this node coordinates") >
      output.lastIndexOf("this node does not coordinate");
  });

try {
  const began = performance.now();
  joining = await start("a").join();
  for (const name of ["b", "c"]) start(name);
  for (const name of ["b", "c"]) await nodes.get(name)!.line(/server of the registry now/);
  for (const name of NAMES) {
    await nodes.get(name)!.line(/^ready/);
    urls.set(name, await nodes.get(name)!.url());
  }
  console.log(`three servers after ${((performance.now() - began) / 1000).toFixed(1)} s`);
  const expected = await answerText(urls.get("a")!);
  console.log("killed  coordinated  without an answer, s              failed requests");
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const name of NAMES) {
      await sleep(REST_MS);
      const coordinated = coordinators().includes(name);
      nodes.get(name)!.kill("SIGKILL");
      const others = NAMES.filter((other) => other !== name);
      const gaps = await Promise.all(others.map((other) => untilAnswered(urls.get(other)!)));
      if (gaps.some(({ text }) => text !== expected)) throw new Error("another answer than before");
      console.log([
        name.padEnd(8),
        (coordinated ? "yes" : "no").padEnd(13),
        others.map((other, i) => `${other}: ${(gaps[i].ms / 1000).toFixed(2)}`).join(", ").padEnd(
          36,
        ),
        gaps.map(({ failed }) => failed).join(", "),
      ].join(""));
      await nodes.get(name)!.status();
      const back = start(name);
      urls.set(name, await back.url());
      await back.line(/^ready/);
      if ((await untilAnswered(urls.get(name)!)).text !== expected) {
        throw new Error(`${name} answers something else after its restart`);
      }
    }
  }
} finally {
  for (const [name, node] of nodes) {
    if (values.log) console.log(`---- ${name}\n${node.output}`);
    await node[Symbol.asyncDispose]();
  }
  await Deno.remove(data, { recursive: true });
}
