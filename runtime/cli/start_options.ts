/**
 * The command line of `deno task start`.
 *
 * @module
 */
import type { LogLevel } from "@logtape/logtape";
import { OrreryError, parseGraph } from "../../actors/mod.ts";
import { PRECISIONS } from "../../models/mod.ts";
import { parseLayers } from "../../planner/mod.ts";
import type { NodeOptions } from "../node.ts";
import { parseToken } from "../trust/mod.ts";
import {
  durationOption,
  numberOption,
  readArgs,
  registryOption,
  sizeOption,
  takeBare,
} from "./args.ts";
import { UsageError } from "./fail.ts";

/** What `--help` prints. */
export const help =
  `Start a node. The first one serves a model; others join it and take over layers.

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
  --watch                take over changed modules of custom actors at once, without a restart
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
/** Bounds of `--memory`, bytes. */
const MEMORY = { min: 2 ** 20, max: 2 ** 50 };
/** Bounds of `--vote-after`, milliseconds. */
const VOTE_AFTER = { min: 1_000, max: 24 * 3600_000 };
/** Bounds of a TCP port; 0 takes any free one. */
const port = { min: 0, max: 65535, integer: true };

/** What the command line says. */
export type StartOptions = NodeOptions & { log: LogLevel; ask?: string };

/**
 * The parsed command line; undefined: `--help` was given. Throws {@linkcode UsageError}, and group
 * `graph` for a graph file that is wrong.
 */
export function startOptions(all: string[]): StartOptions | undefined {
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
      watch: { type: "boolean", default: false },
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
    watch: values.watch,
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
