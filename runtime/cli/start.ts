/**
 * `deno task start`: runs a node until it is told to stop.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a command talks to its user
import { configure, getConsoleSink, getTextFormatter, type LogLevel } from "@logtape/logtape";
import pc from "picocolors";
import { type Deployment, OrreryError, parseGraph } from "../../actors/mod.ts";
import { PRECISIONS } from "../../models/mod.ts";
import { parseLayers, type Plan } from "../../planner/mod.ts";
import { type Node, type NodeOptions, startNode } from "../node.ts";
import { parseToken } from "../trust/mod.ts";
import { isLoopback, KEY_VARIABLE } from "../access/mod.ts";
import {
  durationOption,
  numberOption,
  readArgs,
  registryOption,
  sizeOption,
  takeBare,
} from "./args.ts";
import { streamChat } from "./chat_client.ts";
import { exitCodes, runCommand, UsageError } from "./fail.ts";
import { FetchLines } from "./fetch_lines.ts";
import { joinCommand } from "./join_command.ts";
import { planTable } from "./plan_table.ts";

const help = `Start a node. The first one serves a model; others join it and take over layers.

Usage: deno task start [options]

  --port N               REST API [8420]
  --mailbox-port N       where other nodes join [8421]
  --host ADDRESS         mailbox and API listen here; 0.0.0.0 for all interfaces [127.0.0.1; 0.0.0.0 with --join alone]
  --api-host ADDRESS     the API listens here [as --host where it has keys or --no-api-key, else 127.0.0.1]
  --api-key-file FILE    clients need one of these keys (deno task keys) [api-keys.json in --data, if it is there]
  --no-api-key           everybody may ask who reaches the API
  --cors ORIGIN          web pages of this origin may ask; may be repeated [none]
  --allow-host NAME      the API answers to this host name too; may be repeated [localhost, this machine's name]
  --data DIR             model store [.orrery]
  --model NAME|DIR       a model in the store, or a Hugging Face checkpoint folder [the embedded model]
  --precision P          ${PRECISIONS.join(", ")} [f32 for the embedded model, q4 for others]
  --threads N            threads of a stage's engine [1 for a small stage, else the number of cores]
  --spinning             let idle engine threads spin: faster alone, ruinous under a CPU quota
  --memory SIZE          memory that this node's stages may use, such as 4GiB; a number alone is in MiB [what is free]
  --nodes N              first node: wait for N nodes in all before the model is placed [1]
  --layers 0-3,4-7       first node: layers by node, in the order in which nodes join [planned]
  --placement P          first node: planned (measures the nodes and their links) or even [planned]
  --graph FILE           first node: a graph file: model, actors of your own, constraints, objective, workload, decode policy
  --draft MODEL          first node: draft model (name or folder), ngram or none [the embedded draft for the embedded model]
  --name NAME            what graph files call this node [the host's name]
  --active N             requests that run at once; memory may hold fewer [the graph's, else 32]
  --queued N             requests that wait; more are refused with 429 [the graph's, else 128]
  --join [HOST:PORT]     join the node whose mailbox listens there; the first time with a token. Without an address:
                         the cluster of the token, or the one that this node was in, if it is found on the local network
  --registry WHERE       the cluster's state: embedded (in a file of the first node), managed (in an etcd that up to three
                         nodes run), the URL of a denokv server, or etcd://HOST[:PORT],... [embedded]
  --vote-after TIME      how long this node has not heard the first node before it votes for another one [1m]
  --no-discovery         do not announce this cluster on the local network (mDNS), nor look for one
  --token TOKEN          the token that the first node printed
  --token-file FILE      a file with the token, so that it does not stand in the list of processes
  --ask "QUESTION"       once ready, ask this and print the answer; then go on serving
  --log LEVEL            debug, info, warning, error [warning]
  --help                 print this

SIGINT and SIGTERM drain and exit 0; a second one exits at once.
Exit codes: 0 stopped, 1 failed, 2 wrong command line.`;

/** Values of `--log`. */
const LEVELS = ["debug", "info", "warning", "error"];
const PLACEMENTS = ["planned", "even"] as const;
/** Conversions of fewer bytes print no progress: they take a second or two. */
const SHORT_CONVERSION_BYTES = 50e6;
/** Bounds of `--memory`, bytes. */
const MEMORY = { min: 2 ** 20, max: 2 ** 50 };
/** Bounds of `--vote-after`, milliseconds. */
const VOTE_AFTER = { min: 1_000, max: 24 * 3600_000 };
/** Bounds of a TCP port; 0 takes any free one. */
const port = { min: 0, max: 65535, integer: true };

/** What the command line says. */
type StartOptions = NodeOptions & { log: LogLevel; ask?: string };

/** The parsed command line; undefined: `--help` was given. Throws {@linkcode UsageError}. */
function options(all: string[]): StartOptions | undefined {
  const { args, bare: discover } = takeBare("join", all);
  const { values } = readArgs({
    args,
    options: {
      port: { type: "string" },
      "mailbox-port": { type: "string" },
      host: { type: "string", default: discover ? "0.0.0.0" : "127.0.0.1" },
      "api-host": { type: "string" },
      "api-key-file": { type: "string" },
      "no-api-key": { type: "boolean", default: false },
      cors: { type: "string", multiple: true },
      "allow-host": { type: "string", multiple: true },
      data: { type: "string", default: ".orrery" },
      model: { type: "string" },
      precision: { type: "string" },
      threads: { type: "string" },
      spinning: { type: "boolean", default: false },
      memory: { type: "string" },
      nodes: { type: "string" },
      layers: { type: "string" },
      placement: { type: "string" },
      graph: { type: "string" },
      draft: { type: "string" },
      name: { type: "string" },
      active: { type: "string" },
      queued: { type: "string" },
      join: { type: "string" },
      registry: { type: "string" },
      "no-discovery": { type: "boolean", default: false },
      "vote-after": { type: "string" },
      token: { type: "string" },
      "token-file": { type: "string" },
      ask: { type: "string" },
      log: { type: "string", default: "warning" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return undefined;
  const precision = PRECISIONS.find((p) => p === values.precision);
  if (values.precision !== undefined && !precision) {
    throw new UsageError(
      `--precision takes ${PRECISIONS.join(", ")}, got ${JSON.stringify(values.precision)}`,
    );
  }
  if (!LEVELS.includes(values.log)) {
    throw new UsageError(`--log takes ${LEVELS.join(", ")}, got ${JSON.stringify(values.log)}`);
  }
  if (values.data === "") throw new UsageError('--data takes a folder, got ""');
  const firstOnly = [
    "nodes",
    "layers",
    "model",
    "precision",
    "placement",
    "graph",
    "draft",
    "registry",
  ] as const;
  for (const name of firstOnly) {
    if ((discover || values.join !== undefined) && values[name] !== undefined) {
      throw new UsageError(
        `--${name} is for the first node; a node with --join takes it from there`,
      );
    }
  }
  if (values["no-api-key"] && values["api-key-file"] !== undefined) {
    throw new UsageError("--no-api-key and --api-key-file exclude each other");
  }
  if (discover && values.join !== undefined) throw new UsageError("--join was given twice");
  if (discover && values["no-discovery"]) {
    throw new UsageError("--join needs the first node's HOST:PORT where --no-discovery is given");
  }
  const join = discover
    ? "discover"
    : values.join === undefined
    ? undefined
    : joinOption(values.join);
  const placement = PLACEMENTS.find((p) => p === values.placement);
  if (values.placement !== undefined && !placement) {
    throw new UsageError(
      `--placement takes ${PLACEMENTS.join(" or ")}, got ${JSON.stringify(values.placement)}`,
    );
  }
  if (values.name !== undefined && !/^[A-Za-z0-9._-]{1,64}$/.test(values.name)) {
    throw new UsageError(
      `--name takes letters, digits, dots and hyphens, got ${JSON.stringify(values.name)}`,
    );
  }
  return {
    name: values.name,
    placement,
    graph: values.graph === undefined ? undefined : graphOption(values.graph),
    graphFile: values.graph,
    draft: values.draft,
    host: values.host,
    apiHost: values["api-host"],
    apiKeyFile: values["api-key-file"],
    noApiKey: values["no-api-key"],
    cors: values.cors,
    allowHosts: values["allow-host"],
    port: numberOption("port", values.port, port) ?? 8420,
    mailboxPort: numberOption("mailbox-port", values["mailbox-port"], port) ?? 8421,
    data: values.data,
    model: values.model,
    precision,
    threads: numberOption("threads", values.threads, { min: 1, max: 256, integer: true }),
    spinning: values.spinning,
    memoryBytes: sizeOption("memory", values.memory, MEMORY),
    admission: {
      active: numberOption("active", values.active, { min: 1, max: 1024, integer: true }),
      queued: numberOption("queued", values.queued, { min: 0, max: 65536, integer: true }),
    },
    nodes: numberOption("nodes", values.nodes, { min: 1, max: 1024, integer: true }) ?? 1,
    layers: values.layers === undefined ? undefined : layersOption(values.layers),
    registry: registryOption(values.registry),
    join,
    announce: !values["no-discovery"],
    voteAfterMs: durationOption("vote-after", values["vote-after"], VOTE_AFTER),
    token: tokenOption(values, join !== undefined),
    ask: values.ask,
    log: values.log as LogLevel,
  };
}

function layersOption(text: string): NodeOptions["layers"] {
  try {
    return parseLayers(text);
  } catch (error) {
    throw error instanceof OrreryError ? new UsageError(error.message) : error;
  }
}

function graphOption(file: string): NodeOptions["graph"] {
  let text: string;
  try {
    text = Deno.readTextFileSync(file);
  } catch (error) {
    throw new UsageError(`--graph ${file} cannot be read: ${(error as Error).message}`);
  }
  return parseGraph(text, { file });
}

function joinOption(text: string): { host: string; port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port < 1 || port > 65535) {
    throw new UsageError(
      `--join takes HOST:MAILBOX_PORT such as 192.168.1.2:8421, got ${JSON.stringify(text)}`,
    );
  }
  return { host: match[1] ?? match[2], port };
}

function tokenOption(
  { token, "token-file": file }: { token?: string; "token-file"?: string },
  joins: boolean,
): string | undefined {
  if (token === undefined && file === undefined) return undefined;
  if (!joins) {
    throw new UsageError(`--${token === undefined ? "token-file" : "token"} needs --join`);
  }
  if (token !== undefined && file !== undefined) {
    throw new UsageError("--token and --token-file are two ways to say the same; give one");
  }
  let text = token;
  try {
    text ??= Deno.readTextFileSync(file!);
  } catch (error) {
    throw new UsageError(`--token-file ${file} cannot be read: ${(error as Error).message}`);
  }
  try {
    parseToken(text);
  } catch (error) {
    throw error instanceof OrreryError ? new UsageError(error.message) : error;
  }
  return text.trim();
}

async function configureLog(level: LogLevel): Promise<void> {
  await configure({
    sinks: { stderr: getConsoleSink({ formatter: getTextFormatter(), levelMap: allToStderr }) },
    loggers: [
      { category: "orrery", lowestLevel: level, sinks: ["stderr"] },
      { category: ["logtape", "meta"], lowestLevel: "warning", sinks: ["stderr"] },
    ],
  });
}
/** Every level goes to stderr: stdout is for what the command answers. */
const allToStderr = {
  trace: "error",
  debug: "error",
  info: "error",
  warning: "error",
  error: "error",
  fatal: "error",
} as const;

/** The lines that tell the user what to do next: the API's URL, a request, a second node. */
async function welcome(node: Node, options: NodeOptions): Promise<string> {
  // A node that has joined passes on the token that it was given: only the first node makes them.
  const token = await node.joinToken() ?? options.token;
  const second = token === undefined
    ? "deno task token create, on the first node, says how"
    : joinCommand({
      first: node.firstAddress,
      token,
      near: { port: Number(new URL(node.url).port), mailboxPort: node.mailboxAddress.port },
    });
  return [
    `${pc.bold("API")}      ${node.url}/v1`,
    `${
      pc.bold("try")
    }      curl ${node.url}/v1/chat/completions -H 'content-type: application/json' ${
      node.ownKey === undefined ? "" : `-H "authorization: Bearer $${KEY_VARIABLE}" `
    }` +
    `-d '{"messages":[{"role":"user","content":"Why does it rain?"}]}'`,
    `${pc.bold("add")}      ${second}`,
    ...openPorts(node, options),
  ].join("\n");
}

/**
 * What others on the network can reach, a line for each port; none for a node that listens on its
 * own machine only.
 */
function openPorts(node: Node, { host }: NodeOptions): string[] {
  const lines: string[] = [];
  const { port } = new URL(node.url);
  const { host: apiHost, loopback, kept } = node.apiAddress;
  if (!isLoopback(host)) {
    lines.push(
      `${
        pc.bold("open")
      }     mailbox ${host}:${node.mailboxAddress.port}: nodes with a token join here`,
    );
  }
  if (!loopback) {
    const who = node.ownKey === undefined
      ? pc.yellow("everybody may ask who reaches it (--no-api-key)")
      : "clients need a key";
    lines.push(`${pc.bold("open")}     API ${apiHost}:${port}: ${who}`);
  }
  if (kept) {
    lines.push(
      `${
        pc.bold("closed")
      }   API ${apiHost}:${port}: this machine only, as it has no keys; open it ` +
        "with `deno task keys create NAME` (then start again) or --no-api-key",
    );
  }
  return lines;
}

/** One line that says what is served, or why nothing is. */
function announce(node: Node, deployment: Deployment | undefined, reason: string): string {
  if (!deployment) return `${pc.yellow("not ready")} ${reason}`;
  const stages = deployment.stages.map((s) => {
    const range = s.first === s.last ? `layer ${s.first}` : `layers ${s.first}-${s.last}`;
    return `${range} on ${s.node === node.id ? "this node" : s.node}`;
  });
  return `${pc.green("ready")}    ${deployment.model}: ${stages.join(", ")}`;
}

async function start(args: string[]): Promise<number> {
  const chosen = options(args);
  if (!chosen) {
    console.log(help);
    return exitCodes.ok;
  }
  await configureLog(chosen.log);
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
  const current: { node?: Node; said: string; noted: string; table: string; asked: boolean } = {
    said: "",
    noted: "",
    table: "",
    asked: false,
  };
  const waiting: [Deployment | undefined, string][] = [];
  const fetches = new FetchLines();
  const onServe = (deployment: Deployment | undefined, reason: string) => {
    const { node } = current;
    if (!node) return void waiting.push([deployment, reason]); // printed after the welcome
    fetches.end();
    const line = announce(node, deployment, reason);
    if (line !== current.said) console.log(current.said = line);
    const note = deployment ? reason : "";
    if (note && note !== current.noted) console.log(`${pc.yellow("note")}     ${note}`);
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
    // A node that is alone and cannot place its model has nothing to wait for: it fails.
    if (
      reason.startsWith("placement failed") && chosen.nodes === 1 && !chosen.join && !chosen.layers
    ) {
      stop.reject(new OrreryError({ group: "cluster", code: "placement_failed", message: reason }));
    }
  };
  const node = current.node = await startNode({
    ...chosen,
    onServe,
    onDrain() {
      console.log(`${pc.yellow("drain")}    the first node says so: this node leaves and ends`);
      stop.resolve(exitCodes.ok);
    },
    onRole: (why) => console.log(`${pc.bold("role")}     ${why}`),
    onFollowed(why) {
      console.log(`${pc.yellow("role")}     ${why}`);
      stop.resolve(undefined);
    },
    onProgress: conversionProgress(),
    onFetch: (progress) => fetches.show(progress),
  });
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
  for await (const text of pieces) await Deno.stdout.write(new TextEncoder().encode(text));
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
