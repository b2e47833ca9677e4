/**
 * `deno task start`: runs a node until it is told to stop.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a command talks to its user
import {
  configure,
  getConsoleSink,
  getLevelFilter,
  getTextFormatter,
  type LogRecord,
  withFilter,
} from "@logtape/logtape";
import pc from "picocolors";
import { LogRing } from "../log_ring.ts";
import { type NodeOptions, startNode } from "../node.ts";
import { jsonLine, traceOptions } from "../telemetry/mod.ts";
import { asCalled } from "./as_called.ts";
import { START } from "./commands/mod.ts";
import { exitCodes, runCommand } from "./fail.ts";
import { FetchLines } from "./fetch_lines.ts";
import { printHelp } from "./print_help.ts";
import { refused } from "./refusal.ts";
import { ServingPrinter } from "./serving_printer.ts";
import { type StartOptions, startOptions } from "./start_options.ts";
import { welcome } from "./start_text.ts";

/** Conversions of fewer bytes print no progress: they take a second or two. */
const SHORT_CONVERSION_BYTES = 50e6;

/** The newest records of this process's log, whatever `--log` says. */
const kept = new LogRing();

async function configureLog({ log: level, logFormat }: StartOptions): Promise<void> {
  const text = getTextFormatter();
  const formatter = (record: LogRecord) =>
    logFormat === "json" ? jsonLine(record, { node: nodeId }).trimEnd() : asCalled(text(record));
  const stderr = getConsoleSink({ formatter, levelMap: allToStderr });
  await configure({
    sinks: { stderr: withFilter(stderr, getLevelFilter(level)), kept: kept.sink },
    loggers: [
      {
        category: "orrery",
        lowestLevel: level === "debug" ? "debug" : "info",
        sinks: ["stderr", "kept"],
      },
      { category: ["logtape", "meta"], lowestLevel: "warning", sinks: ["stderr"] },
    ],
  });
}
/** Id of the node that runs in this process; undefined: none does yet. */
let nodeId: string | undefined;

/** Every level goes to stderr: stdout is for what the command answers. */
const allToStderr = {
  trace: "error",
  debug: "error",
  info: "error",
  warning: "error",
  error: "error",
  fatal: "error",
} as const;

async function start(args: string[]): Promise<number> {
  let chosen: StartOptions | undefined;
  // A graph file that is wrong ends it here, before anything runs: a line for each problem.
  const code = await refused(() => {
    chosen = startOptions(args);
    return Promise.resolve(chosen ? exitCodes.ok : printHelp(START, { all: args.includes("all") }));
  });
  return chosen ? await run(chosen) : code;
}

/** Runs nodes with these options, one life after the other, until it is told to stop. */
async function run(chosen: StartOptions): Promise<number> {
  await configureLog(chosen);
  chosen.traces = traceOptions((name) => Deno.env.get(name));
  let signals = 0;
  let stop = Promise.withResolvers<number | undefined>();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => {
      if (++signals > 1) Deno.exit(exitCodes.interrupted);
      stop.resolve(exitCodes.ok);
    });
  }
  for (;;) {
    const code = await live(chosen, stop, () => signals > 0);
    if (code !== undefined) return code;
    stop = Promise.withResolvers();
    if (signals > 0) return exitCodes.ok;
  }
}

/** How a node ends: with an exit code, or undefined: it is started again. */
type Ending = PromiseWithResolvers<number | undefined>;

/** One life of the node, as long as nobody stops it. `stopped`: a signal has said so. */
async function live(
  chosen: StartOptions,
  stop: Ending,
  stopped: () => boolean,
): Promise<number | undefined> {
  const fetches = new FetchLines();
  const printer = new ServingPrinter(chosen, { fetches, fail: stop.reject });
  const node = await startNode({
    ...chosen,
    asCalled,
    hub: {
      endpoint: Deno.env.get("HF_ENDPOINT") || undefined,
      token: Deno.env.get("HF_TOKEN") || Deno.env.get("HUGGING_FACE_HUB_TOKEN") || undefined,
    },
    onServe: (deployment, reason) => printer.serves(deployment, reason),
    onDrain() {
      console.log(`${pc.yellow("drain")}    the first node says so: this node leaves and ends`);
      stop.resolve(exitCodes.ok);
    },
    onRole: (why) => console.log(`${pc.bold("role")}     ${asCalled(why)}`),
    onFollowed(why) {
      console.log(`${pc.yellow("role")}     ${asCalled(why)}`);
      stop.resolve(undefined);
    },
    logs: (query) => kept.read(query),
    onProgress: conversionProgress(),
    onDraft: (why) => console.log(`${pc.bold("draft")}    ${why}`),
    onFetch: (progress) => fetches.show(progress),
  });
  nodeId = node.id;
  console.log(await welcome(node, chosen));
  printer.begin(node);
  try {
    return await stop.promise;
  } finally {
    if (stopped()) console.log("stopping: running requests are finished first");
    await node.close();
  }
}

/** Prints every tenth of a model's conversion on stderr. */
function conversionProgress(): NodeOptions["onProgress"] {
  let tenth = 0;
  return ({ group, done, total }) => {
    const now = Math.floor(10 * done / total);
    if (now <= tenth || total < SHORT_CONVERSION_BYTES) return;
    tenth = now;
    console.error(`converting: ${now * 10} % (${group})`);
  };
}

if (import.meta.main) await runCommand(start);
