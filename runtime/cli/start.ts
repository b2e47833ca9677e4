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
  getLogger,
  getTextFormatter,
  type LogRecord,
  withFilter,
} from "@logtape/logtape";
import pc from "picocolors";
import { type Deployment, OrreryError } from "../../actors/mod.ts";
import type { Plan } from "../../planner/mod.ts";
import { LogRing } from "../log_ring.ts";
import { type Node, type NodeOptions, startNode } from "../node.ts";
import { jsonLine, traceOptions } from "../telemetry/mod.ts";
import { asCalled } from "./as_called.ts";
import { streamChat } from "./chat_client.ts";
import { START } from "./commands/mod.ts";
import { exitCodes, runCommand } from "./fail.ts";
import { FetchLines } from "./fetch_lines.ts";
import { planTable } from "./plan_table.ts";
import { printHelp } from "./print_help.ts";
import { refused } from "./refusal.ts";
import { type StartOptions, startOptions } from "./start_options.ts";
import { servingLine, welcome } from "./start_text.ts";

const log = getLogger(["orrery", "node"]);

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

/** What a life of the node has shown to the user. */
interface PrintedLines {
  node?: Node;
  /** The last line about what is served, the last note below it, the last table of a plan. */
  said: string;
  noted: string;
  table: string;
  /** Why the last placement failed; "": none has. */
  failed: string;
  /** The question of `--ask` was asked. */
  asked: boolean;
  /** A deployment has served. */
  served: boolean;
}

/** Groups of errors that say nothing of the model or the machine: links, leases, actors that end. */
const PASSING_GROUPS = ["actor", "mailbox", "registry"];

/**
 * Whether a placement that failed can never succeed: the first node of a cluster of which nobody
 * else is known cannot run its model.
 */
async function nobodyCanMend(node: Node): Promise<boolean> {
  try {
    const { failed } = await node.cluster();
    return failed !== undefined && !PASSING_GROUPS.includes(failed.group) && await node.alone();
  } catch {
    return false; // it is asked again when the placement fails again
  }
}

const placementFailed = (message: string): OrreryError =>
  new OrreryError({ group: "cluster", code: "placement_failed", message });

/** One life of the node, as long as nobody stops it. `stopped`: a signal has said so. */
async function live(
  chosen: StartOptions,
  stop: Ending,
  stopped: () => boolean,
): Promise<number | undefined> {
  const current: PrintedLines = {
    said: "",
    noted: "",
    table: "",
    failed: "",
    asked: false,
    served: false,
  };
  const waiting: [Deployment | undefined, string][] = [];
  const fetches = new FetchLines();
  const onServe = (deployment: Deployment | undefined, reason: string) => {
    const { node } = current;
    if (!node) return void waiting.push([deployment, reason]); // printed after the welcome
    fetches.end();
    const line = servingLine(node, deployment, reason);
    if (line !== current.said) console.log(current.said = line);
    const note = deployment ? reason : "";
    if (note && note !== current.noted) console.log(`${pc.yellow("note")}     ${asCalled(note)}`);
    current.noted = note;
    // Only the node that made the plan, the first one, prints its table.
    const table = deployment?.plan && !chosen.join
      ? planTable(deployment.plan as unknown as Plan, node.id)
      : "";
    if (table && table !== current.table) console.log(current.table = table);
    if (deployment && chosen.ask !== undefined && !current.asked) {
      current.asked = true;
      answer(node, chosen.ask).catch(stop.reject);
    }
    current.served ||= deployment !== undefined;
    const waits = chosen.nodes > 1 || chosen.layers; // for further nodes
    if (reason.startsWith("placement failed")) {
      const first = !current.served && !waits;
      void (first ? nobodyCanMend(node) : Promise.resolve(false)).then((never) => {
        if (never) return stop.reject(placementFailed(reason));
        if (reason !== current.failed) log.warn("{reason}", { reason });
        current.failed = reason;
      });
    }
  };
  const node = current.node = await startNode({
    ...chosen,
    asCalled,
    hub: {
      endpoint: Deno.env.get("HF_ENDPOINT") || undefined,
      token: Deno.env.get("HF_TOKEN") || Deno.env.get("HUGGING_FACE_HUB_TOKEN") || undefined,
    },
    onServe,
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
  for (const [deployment, reason] of waiting) onServe(deployment, reason);
  try {
    return await stop.promise;
  } finally {
    if (stopped()) console.log("stopping: running requests are finished first");
    await node.close();
  }
}

/** Asks the node's own API, as any client would, and prints the answer as it comes. */
async function answer(node: Node, question: string): Promise<void> {
  console.log(`\n${pc.bold(question)}`);
  const pieces = streamChat({
    url: node.url,
    key: node.ownKey,
    messages: [{ role: "user", content: question }],
    signal: new AbortController().signal,
  });
  for await (const { text } of pieces) await Deno.stdout.write(new TextEncoder().encode(text));
  console.log(`\n\nThe node goes on serving; stop it with Ctrl-C.`);
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
