/**
 * The descriptions of commands for models and deployments.
 *
 * @module
 */
import { defineCommand, shared, STORED_PRECISIONS, USUAL_EXITS } from "./define.ts";

const PRECISION = {
  value: "P",
  choices: STORED_PRECISIONS,
} as const;

const FORMAT = {
  value: "P",
  choices: STORED_PRECISIONS.filter((precision) => precision !== "q4m"),
} as const;

export const MODELS = defineCommand({
  name: "models",
  group: "Models and deployments",
  summary: "Add, list, show, verify, measure or remove models of the store",
  about: "Add models to the store, and look after it. `start --model NAME` serves one.",
  usage: [
    "add SOURCE [options]",
    "list|verify [NAME] [options]",
    "show|remove NAME [options]",
    "quality NAME|SOURCE [options]",
  ],
  verbs: ["add", "list", "show", "remove", "verify", "quality"],
  flags: {
    data: { value: "DIR", text: "model store", preset: ".orrery" },
    json: { text: "list, show, verify, quality: print JSON" },
    deep: {
      text: "verify: also run one token through the model (takes the memory of all its layers)",
    },
    name: {
      value: "NAME",
      text: "add: what it is called in the store",
      otherwise: "the source's name and the precision",
    },
    precision: {
      ...PRECISION,
      text: `add: ${STORED_PRECISIONS.join(", ")}`,
      otherwise: "q4; of a GGUF file the nearest to what it holds",
    },
    calibrate: {
      text: "add: weights in q4 and q4m make up for each other's errors; takes minutes",
    },
    context: {
      value: "N",
      text: "add: longest context in tokens",
      otherwise: "the model's; of one that is stretched (longrope) its original length",
    },
    "embedding-precision": {
      ...FORMAT,
      text: "add: for the embedding alone",
      otherwise: "q8 in a q4 or q4m model, else as --precision",
    },
    "head-precision": {
      ...FORMAT,
      text: "add: for the LM head alone",
      otherwise: "as for the embedding",
    },
    block: {
      value: "N",
      text: "add: weights that share a scale in q4 and q8: 16, 32, 64, 128, 256",
      otherwise: "q8 128; q4 128 in the MLP, else 32",
      choices: ["16", "32", "64", "128", "256"],
    },
    revision: {
      value: "REV",
      text: "add from the hub: branch, tag or commit",
      otherwise: "main",
    },
    endpoint: {
      value: "URL",
      text: "add from the hub: its base URL",
      otherwise: "HF_ENDPOINT, else https://huggingface.co",
    },
    keep: {
      text: "add from the hub: keep the downloaded files beside the converted model",
    },
    beside: {
      value: "PATH",
      text: "quality: another file or folder of the same model to measure, e.g. a GGUF file",
      multiple: true,
    },
    text: {
      value: "FILE",
      text: "quality: the text to measure over",
      otherwise: "one that is built in",
    },
  },
  notes:
    "SOURCE is a Hugging Face checkpoint folder, a .gguf file, owner/name of a repository on the hub, or a GGUF file " +
    "in one: owner/name:file.gguf. An add that was interrupted goes on where it stopped when it is run again. HF_TOKEN " +
    "is the hub's token for private and gated repositories.",
  example: "models list",
  exits: "0 done, 1 failed (verify: something is missing or changed), 2 wrong command line.",
  permissions: "tools",
  program: "models.ts",
});

export const APPLY = defineCommand({
  name: "apply",
  group: "Models and deployments",
  summary: "Deploy a graph file on a running cluster, or roll a changed one out",
  about: "Deploy a graph file on a running cluster, beside what it serves already. What has the " +
    "name already is replaced once the new one answers; where it does not, the old one goes on. A wrong file is " +
    "refused with line and column before any node is asked.",
  usage: ["GRAPH.yaml [options]"],
  flags: {
    name: {
      value: "NAME",
      text: 'what requests put into "model"',
      otherwise: "the file's name without its ending",
    },
    "dry-run": { text: "say where the layers would go, and change nothing" },
    wait: {
      value: "TIME",
      text: "how long to wait until it is ready, such as 90s or 10m",
      otherwise: "60s",
    },
    url: shared.url,
    "api-key-file": shared.key,
    json: shared.json,
  },
  example: "apply examples/graphs/small.yaml --dry-run",
  exits: "0 ready (or planned), 1 failed, 2 wrong command line or wrong file.",
  permissions: "chat",
  program: "apply.ts",
});

export const DEPLOYMENTS = defineCommand({
  name: "deployments",
  group: "Models and deployments",
  summary: "List what a cluster serves",
  about: "List the deployments of a cluster: their copies, and which layers are where.",
  usage: ["[options]"],
  flags: { url: shared.url, "api-key-file": shared.key, json: shared.json },
  example: "deployments",
  exits: USUAL_EXITS,
  permissions: "chat",
  program: "deployments.ts",
});

export const DELETE = defineCommand({
  name: "delete",
  group: "Models and deployments",
  summary: "End a deployment of a running cluster",
  about: "End a deployment: requests that run are finished, and its layers are unloaded.",
  usage: ["NAME [options]"],
  flags: { url: shared.url, "api-key-file": shared.key, json: shared.json },
  example: "delete small",
  exits: USUAL_EXITS,
  permissions: "chat",
  program: "delete.ts",
});
