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
  readFlags,
  registryOption,
  sizeOption,
  takeBare,
} from "./args.ts";
import { START } from "./commands/mod.ts";
import { UsageError } from "./fail.ts";

/** Values of `--log`. */
const LEVELS = ["debug", "info", "warning", "error"];
/** Values of `--log-format`. */
const FORMATS = ["text", "json"] as const;
const PLACEMENTS = ["planned", "even"] as const;
/** Bounds of `--memory`, bytes. */
const MEMORY = { min: 2 ** 20, max: 2 ** 50 };
/** Bounds of `--max-upload`, bytes; 0: nothing is taken. */
const UPLOAD = { min: 0, max: 2 ** 50 };
/** Bounds of `--vote-after`, milliseconds. */
const VOTE_AFTER = { min: 1_000, max: 24 * 3600_000 };
/** Bounds of a TCP port; 0 takes any free one. */
const port = { min: 0, max: 65535, integer: true };

/** What the command line says. */
export type StartOptions = NodeOptions & {
  log: LogLevel;
  logFormat: (typeof FORMATS)[number];
  ask?: string;
};

/**
 * The parsed command line; undefined: `--help` was given. Throws {@linkcode UsageError}, and group
 * `graph` for a graph file that is wrong.
 */
export function startOptions(all: string[]): StartOptions | undefined {
  const { args, bare: discover } = takeBare("join", all);
  const { values } = readFlags(START, args);
  if (!values) return undefined;
  const precision = PRECISIONS.find((p) => p === values.precision);
  if (values.precision !== undefined && !precision) {
    throw new UsageError(
      `--precision takes ${PRECISIONS.join(", ")}, got ${JSON.stringify(values.precision)}`,
    );
  }
  if (!LEVELS.includes(values.log)) {
    throw new UsageError(`--log takes ${LEVELS.join(", ")}, got ${JSON.stringify(values.log)}`);
  }
  const logFormat = FORMATS.find((known) => known === values["log-format"]);
  if (!logFormat) {
    throw new UsageError(
      `--log-format takes ${FORMATS.join(" or ")}, got ${JSON.stringify(values["log-format"])}`,
    );
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
    host: values.host ?? (discover ? "0.0.0.0" : "127.0.0.1"),
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
    uploadBytes: sizeOption("max-upload", values["max-upload"], UPLOAD),
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
    logFormat,
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
