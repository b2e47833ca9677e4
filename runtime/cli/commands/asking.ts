/**
 * The descriptions of commands that ask a running node for answers or for its state.
 *
 * @module
 */
import { defineCommand, shared, USUAL_EXITS } from "./define.ts";

export const CHAT = defineCommand({
  name: "chat",
  group: "Run and ask",
  summary: "Ask a running node",
  about: "Ask a running node; the answer is printed as it is generated. " +
    "Without a question every line of stdin is one, and the conversation is remembered.",
  usage: ['[options] ["question"]'],
  flags: {
    url: { ...shared.url, text: "the node's API" },
    "api-key-file": shared.key,
    system: { value: "TEXT", text: "what the model is told first" },
    "max-tokens": { value: "N", text: "length of an answer at most" },
    temperature: {
      value: "T",
      text: "0 (always the likeliest token) to 2",
      otherwise: "the model's own",
    },
    mode: {
      value: "MODE",
      text: "auto, plain, speculative, outline, outline+speculative",
      otherwise: "auto",
      choices: ["auto", "plain", "speculative", "outline", "outline+speculative"],
    },
    json: { text: "print the API's answer as one line of JSON instead of text" },
  },
  notes:
    "On a terminal: /help, /clear (a new conversation), /mode MODE, /exit. A line that ends with \\ goes on with the " +
    'next one, and """ begins and ends a question of many lines. The arrow keys bring back earlier questions, which ' +
    "are kept in .orrery/chat/history. Ctrl-C ends an answer and not the program; at the prompt it empties the line, " +
    "and on an empty line it ends the program.",
  example: 'chat "Why does it rain?"',
  exits: "0 answered, 1 failed, 2 wrong command line, 130 stopped by Ctrl-C.",
  permissions: "talk",
  program: "chat.ts",
});

export const DOCTOR = defineCommand({
  name: "doctor",
  group: "Cluster",
  summary: "Examine every node and link: what is wrong, and what to do",
  about: "Find out what is wrong with a cluster: every node, and every link between two of them. " +
    "It asks the API of a node, which has all members examined: version, clock, certificates, disk, memory, " +
    "permissions, registry, discovery, and links (latency and bandwidth). Where no node answers, it examines the " +
    "files in --data.",
  usage: ["[options]"],
  flags: {
    url: { ...shared.url, text: "the API of a node" },
    "api-key-file": shared.key,
    data: {
      value: "DIR",
      text: "where no node answers: folder of a node on this machine",
      preset: ".orrery",
    },
    json: shared.json,
  },
  example: "doctor",
  exits: "0 all is well, 1 something is wrong, 2 wrong command line.",
  permissions: "doctor",
  program: "doctor.ts",
});

export const STATUS = defineCommand({
  name: "status",
  group: "Run and ask",
  summary: "How the cluster is, on one screen",
  about:
    "Show on one screen how a cluster is: its nodes, what they hold and do, what is served, what is wrong now, " +
    "and the last warnings of all logs. Any node can be asked.",
  usage: ["[options]"],
  flags: { url: shared.url, "api-key-file": shared.key, json: shared.json },
  example: "status",
  exits: "0 all is well, 1 something is wrong or no node answers, 2 wrong command line.",
  permissions: "chat",
  program: "status.ts",
});

export const LOGS = defineCommand({
  name: "logs",
  group: "Cluster",
  summary: "Print or follow the log of any node",
  about:
    "Print the newest records of a node's log, and with --follow those that come. Any node can be asked for the " +
    "log of any other. Each node keeps 2,000 records at most in memory, from level info on whatever its --log says.",
  usage: ["[NODE] [options]"],
  flags: {
    follow: { text: "go on with what comes, until Ctrl-C; also over a restart of the node" },
    level: {
      value: "LEVEL",
      text: "debug, info, warning, error, fatal: these and more urgent records",
      preset: "info",
      choices: ["debug", "info", "warning", "error", "fatal"],
    },
    request: {
      value: "ID",
      text: "records of this request alone; the header x-request-id of its answer names it",
    },
    lines: { value: "N", text: "so many of the newest records, 500 at most", otherwise: "100" },
    url: shared.url,
    "api-key-file": shared.key,
    json: { text: "print each record as one line of JSON" },
  },
  notes:
    "NODE is a node's name, name:port or id, as `status` shows them; left out: the node at --url.",
  example: "logs --level warning",
  exits: "0 done, 1 failed, 2 wrong command line, 130 stopped by Ctrl-C.",
  permissions: "chat",
  program: "logs.ts",
});

export const UPGRADE = defineCommand({
  name: "upgrade",
  group: "Cluster",
  summary: "Which version each node runs, and how to bring them up to date",
  about:
    "Show the version of every node beside that of this program, and the steps that bring the others up to date " +
    "one after the other while the cluster answers. It replaces no program: nodes are on other machines.",
  usage: ["[options]"],
  flags: { url: shared.url, "api-key-file": shared.key, json: shared.json },
  example: "upgrade",
  exits: "0 every node runs this version, 1 some do not or no node answers, 2 wrong command line.",
  permissions: "chat",
  program: "upgrade.ts",
});

export const NODES = defineCommand({
  name: "nodes",
  group: "Cluster",
  summary: "List, drain, remove or promote the nodes of a cluster",
  about:
    "List the nodes of a cluster, drain or remove one. It asks the API of the first node. When the " +
    "first node is gone for good, make another one the first.",
  usage: ["[list] [options]", "drain NAME [options]", "remove NAME [options]", "promote [options]"],
  verbs: ["list", "drain", "remove", "promote"],
  flags: {
    data: {
      value: "DIR",
      text:
        "list, remove: ask no node, but work on the files of the first node in this folder, or on the registry " +
        "that a node of this folder opened last",
    },
    registry: {
      value: "WHERE",
      text: "list, remove: the same in this registry, as for start",
    },
    url: {
      value: "URL",
      text: "the first node's API; promote: that of the node to promote",
      otherwise: shared.url.preset,
    },
    "api-key-file": shared.key,
    wait: {
      value: "TIME",
      text: "drain: until the node has left; promote: until the members vote",
      otherwise: "1m; promote: 2m",
    },
    all: { text: "list: removed nodes too" },
    links: { text: "list: the links between the members too, as they are now" },
    json: shared.json,
  },
  notes:
    "NAME is a node's name, name:port, its id, or the first 8 or more digits of its identity (see --json). " +
    "A node that drains takes no new requests, finishes those that run, hands its layers to the others and ends. " +
    "A node that is removed is shut out at once and for ever; requests that run through it fail. The node at --url " +
    "becomes the first one (promote) if more than half of the members vote for it.",
  example: "nodes list --links",
  exits: USUAL_EXITS,
  permissions: "nodes",
  program: "nodes.ts",
});

export const TOKEN = defineCommand({
  name: "token",
  group: "Cluster",
  summary: "Make, list or revoke tokens with which nodes join",
  about: "Make, list and revoke the tokens with which nodes join the cluster of a first node. " +
    "Run it where the first node's folder is, or name the registry where several nodes open one. No node need be " +
    "stopped. A node that has joined needs no token any more: to shut it out, remove it (see nodes).",
  usage: ["create [options]", "list [options]", "revoke ID [options]"],
  verbs: ["create", "list", "revoke"],
  flags: {
    uses: { value: "N", text: "create: how many nodes the token takes in", otherwise: "1" },
    ttl: {
      value: "TIME",
      text: "create: how long it is good, such as 30m, 24h or 7d",
      otherwise: "24h",
    },
    data: {
      value: "DIR",
      text: "folder of the first node, or of any other that opens the registry",
      preset: ".orrery",
    },
    registry: {
      value: "WHERE",
      text: "the cluster's registry, as for start",
      otherwise: "what the nodes of that folder used last",
    },
    json: shared.json,
  },
  notes:
    "Only a hash of a token's secret is stored: a token is shown when it is made, and never again.",
  example: "token create --uses 3 --ttl 1h",
  exits: USUAL_EXITS,
  permissions: "nodes",
  program: "token.ts",
});

export const KEYS = defineCommand({
  name: "keys",
  group: "Cluster",
  summary: "Make, list or revoke keys of the REST API",
  about: "Make, list and revoke keys of the REST API. A node that runs sees a change at once.",
  usage: ["create NAME [options]", "list [options]", "revoke ID [options]"],
  verbs: ["create", "list", "revoke"],
  flags: {
    "api-key-file": {
      value: "FILE",
      text: "the file of keys",
      otherwise: "api-keys.json in the data folder",
    },
    data: { value: "DIR", text: "the node's data folder", preset: ".orrery" },
    json: { text: "create, list: print JSON" },
    requests: {
      value: "N",
      text: "create: requests of the key that are in flight at a node",
      otherwise: "any number",
    },
    "tokens-per-minute": {
      value: "N",
      text: "create: tokens of its prompts and answers at a node",
      otherwise: "any number",
    },
  },
  notes:
    "A key is printed once, by create: the file holds hashes only. A node whose data folder has the file, or that " +
    "is started with --api-key-file, asks every client for one of its keys.",
  example: "keys create laptop",
  exits: USUAL_EXITS,
  permissions: "files",
  program: "keys.ts",
});
