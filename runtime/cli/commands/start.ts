/**
 * The description of `start`.
 *
 * @module
 */
import { defineCommand, STORED_PRECISIONS } from "./define.ts";

export const START = defineCommand({
  name: "start",
  group: "Run and ask",
  summary: "Start a node: the first one serves a model, others --join it",
  about: "Start a node. The first one serves a model; others join it and take over layers.",
  usage: ["[options]"],
  flags: {
    model: {
      heading: "What is served, said to the first node",
      value: "NAME|DIR",
      text: "a model in the store, or a Hugging Face checkpoint folder",
      otherwise: "the embedded model",
    },
    precision: {
      value: "P",
      text: STORED_PRECISIONS.join(", "),
      otherwise: "f32 for the embedded model, q4 for others",
      choices: STORED_PRECISIONS,
    },
    draft: {
      value: "MODEL",
      text:
        "draft model (name or folder); auto: the one in the store that gains most; ngram (text so far and earlier " +
        "answers) or none",
      otherwise: "the graph's, else auto",
      choices: ["auto", "ngram", "none"],
    },
    graph: { value: "FILE", text: "a graph file: model, actors of your own, limits, workload" },
    nodes: {
      value: "N",
      text: "wait for N nodes in all before the model is placed",
      otherwise: "1",
    },
    layers: {
      rare: true,
      value: "0-3,4-7",
      text: "layers by node, in the order in which they join",
      otherwise: "planned",
    },
    placement: {
      value: "P",
      text: "planned (measures nodes and links) or even",
      otherwise: "planned",
      choices: ["planned", "even"],
    },
    registry: {
      rare: true,
      value: "WHERE",
      text:
        "where the cluster's state is: embedded (a file), managed (an etcd that nodes run), a denokv server's URL, " +
        "etcd://HOST[:PORT],...",
      otherwise: "embedded",
      choices: ["embedded", "managed"],
    },
    join: {
      heading: "Joining",
      value: "[HOST:PORT]",
      text:
        "join the node whose mailbox listens there; without an address: find the cluster of the token, or the one " +
        "of before, on the local network",
    },
    token: { value: "TOKEN", text: "the token that the first node printed" },
    "token-file": {
      rare: true,
      value: "FILE",
      text: "a file with the token, so that no list of processes shows it",
    },
    "no-discovery": {
      rare: true,
      text: "do not announce this cluster on the local network, nor look for one",
    },
    "vote-after": {
      rare: true,
      value: "TIME",
      text: "how long the first node is silent before this one votes for another",
      otherwise: "1m",
    },
    port: {
      heading: "Where it listens, and who may ask",
      value: "N",
      text: "REST API; 0 takes a free port",
      otherwise: "8420",
    },
    "mailbox-port": { value: "N", text: "where other nodes join", otherwise: "8421" },
    host: {
      value: "ADDRESS",
      text: "mailbox and API listen here; 0.0.0.0 for all interfaces",
      otherwise: "127.0.0.1; 0.0.0.0 with --join alone",
    },
    "api-host": {
      rare: true,
      value: "ADDRESS",
      text: "the API listens here",
      otherwise: "as --host where it has keys or --no-api-key, else 127.0.0.1",
    },
    "api-key-file": {
      rare: true,
      value: "FILE",
      text: "clients need one of these keys (see keys)",
      otherwise: "api-keys.json in --data, if it is there",
    },
    "no-api-key": { text: "everybody may ask who reaches the API" },
    cors: {
      rare: true,
      value: "ORIGIN",
      text: "web pages of this origin may ask; may be repeated",
      multiple: true,
    },
    "allow-host": {
      rare: true,
      value: "NAME",
      text: "the API answers to this host name too; may be repeated",
      multiple: true,
    },
    data: {
      heading: "This machine",
      value: "DIR",
      text: "model store and what the node keeps",
      preset: ".orrery",
    },
    name: { value: "NAME", text: "what graph files call this node", otherwise: "the host's name" },
    memory: {
      value: "SIZE",
      text: "memory for stages, such as 4GiB; a number alone is in MiB",
      otherwise: "what is free",
    },
    "max-upload": {
      value: "SIZE",
      text: "largest model that a client may send, such as 64GiB; 0: none",
      otherwise: "64GiB",
    },
    threads: {
      rare: true,
      value: "N",
      text: "threads of a stage's engine",
      otherwise: "1 for a small stage, else the number of cores",
    },
    spinning: {
      rare: true,
      text: "let idle engine threads spin: faster alone, ruinous under a CPU quota",
    },
    active: {
      rare: true,
      value: "N",
      text: "requests that run at once; memory may hold fewer",
      otherwise: "the graph's, else 32",
    },
    queued: {
      rare: true,
      value: "N",
      text: "requests that wait; more are refused with 429",
      otherwise: "the graph's, else 128",
    },
    watch: { rare: true, text: "take over changed modules of custom actors at once" },
    ask: {
      value: '"QUESTION"',
      text: "once ready, ask this and print the answer; then go on serving",
    },
    log: {
      value: "LEVEL",
      text: "debug, info, warning, error; on stderr",
      preset: "warning",
      choices: ["debug", "info", "warning", "error"],
    },
    "log-format": {
      rare: true,
      value: "FORMAT",
      text: "text, or json: one object a line, with the ids of request and trace",
      preset: "text",
      choices: ["text", "json"],
    },
  },
  notes: "SIGINT and SIGTERM drain and exit 0; a second one exits at once.",
  example: 'start --ask "Why does it rain?"',
  exits: "0 stopped, 1 failed, 2 wrong command line, 130 stopped by a second signal.",
  permissions: "launch",
  program: "launch.ts",
});
