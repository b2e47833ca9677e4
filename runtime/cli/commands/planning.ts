/**
 * The descriptions of commands that plan and measure.
 *
 * @module
 */
import { defineCommand, type Flag, shared, STORED_PRECISIONS } from "./define.ts";

/** Planner's objectives; a test compares them with those of `plan`. */
const OBJECTIVES = ["latency", "throughput", "blended"] as const;

const objective = {
  value: "O",
  text: OBJECTIVES.join(", "),
  otherwise: "what the file says, else blended",
  choices: OBJECTIVES,
} as const satisfies Flag;

const devices = {
  value: "FILE",
  text: "devices and links of this file in place of the graph's",
} as const satisfies Flag;

const EXITS =
  "0 done, 1 failed, 2 wrong command line, wrong file, or no plan fits (stderr says what lacks).";

export const PLAN = defineCommand({
  name: "plan",
  group: "Plan",
  summary: "Plan a graph file: which layers go where, and why",
  about: "Plan a graph file: which layers go where, and why. Changes nothing.",
  usage: ["GRAPH.yaml [options]"],
  flags: {
    objective,
    devices,
    data: shared.data,
    json: { text: "print JSON: the same input gives the same bytes" },
  },
  example: "plan examples/graphs/four_boxes.yaml",
  exits: EXITS,
  permissions: "tools",
  program: "plan.ts",
});

export const SIMULATE = defineCommand({
  name: "simulate",
  group: "Plan",
  summary: "Run a graph file's plan in virtual time",
  about:
    "Run a graph file's plan in virtual time: prefill in pieces, decoding, drafts, branches. " +
    "Without options the plan is the one that `plan` prints; what is given in place of the file's workload or " +
    "objective is planned for, and may place layers elsewhere.",
  usage: ["GRAPH.yaml [options]"],
  flags: {
    objective,
    prompt: { value: "N", text: "prompt tokens", otherwise: "the file's, else 512" },
    tokens: {
      value: "N",
      text: "answer tokens, all branches together",
      otherwise: "the file's, else 128",
    },
    branches: { value: "N", text: "outline branches", otherwise: "the file's, else 1" },
    acceptance: {
      value: "A",
      text: "chance that a drafted token is accepted, 0 to 1",
      otherwise: "the file's, else the draft model's usual one; none without drafts",
    },
    requests: { value: "N", text: "requests at once", otherwise: "the file's, else 1" },
    seed: {
      value: "N",
      text: "draw acceptance by chance",
      otherwise: "as often as expected",
    },
    timeline: { value: "FILE.svg", text: "draw what every stage and link does" },
    devices,
    data: shared.data,
    json: shared.json,
  },
  example: "simulate examples/graphs/four_boxes.yaml --requests 4",
  exits: EXITS,
  permissions: "tools",
  program: "simulate.ts",
});

export const PROFILE = defineCommand({
  name: "profile",
  group: "Plan",
  summary: "Measure how fast this machine runs a model",
  about:
    "Measure how fast this machine runs a model: one layer, the embedding, the head; keep it for the planner.",
  usage: ["[options]"],
  flags: {
    quick: {
      text: "fewer points: under 10 s for a model of half a billion parameters",
    },
    json: { text: "print the profile as JSON" },
    model: {
      value: "NAME|DIR",
      text: "a model in the store, or a Hugging Face checkpoint folder",
      otherwise: "the embedded model",
    },
    precision: {
      value: "P",
      text: `${STORED_PRECISIONS.join(", ")}: as if the model were stored so, with made-up weights`,
      otherwise: "as stored",
      choices: STORED_PRECISIONS,
    },
    threads: {
      value: "N",
      text: "threads of the engine",
      otherwise: "1 for a small model, else the number of cores",
    },
    spinning: { text: "let idle engine threads spin" },
    data: {
      value: "DIR",
      text: "model store; profiles are kept in its folder profiles",
      preset: ".orrery",
    },
  },
  example: "profile --quick",
  exits: "0 measured, 1 failed, 2 wrong command line.",
  permissions: "tools",
  program: "profile.ts",
});
