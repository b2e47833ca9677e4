/**
 * Every command of `orrery`: its options, its help, its permissions, as data. The dispatcher, the
 * commands themselves, completions and the test of docs/command-line.md read this one table.
 *
 * @module
 */
import { ORRERY } from "../program_name.ts";
import { CHAT, DOCTOR, KEYS, LOGS, NODES, STATUS, TOKEN, UPGRADE } from "./asking.ts";
import { type Command, defineCommand } from "./define.ts";
import { APPLY, DELETE, DEPLOYMENTS, MODELS } from "./deploying.ts";
import { PLAN, PROFILE, SIMULATE } from "./planning.ts";
import { START } from "./start.ts";

export { type Command, type Flag, type FlagValues, GROUPS, STORED_PRECISIONS } from "./define.ts";
export {
  APPLY,
  CHAT,
  DELETE,
  DEPLOYMENTS,
  DOCTOR,
  KEYS,
  LOGS,
  MODELS,
  NODES,
  PLAN,
  PROFILE,
  SIMULATE,
  START,
  STATUS,
  TOKEN,
  UPGRADE,
};

/** A word for this program, as a shell defines it. */
const ALIAS = ORRERY === "deno task orrery"
  ? "alias orrery='deno task --config DIR/deno.json orrery', where DIR is this folder"
  : `alias orrery='${ORRERY}'`;

export const NEW = defineCommand({
  name: "new",
  group: "Write your own",
  summary: "Write an actor or a graph of your own, with its test",
  about:
    "Write a file to begin with, and its test, which passes: an actor that sees every request before the " +
    "model does, or a graph file that serves the embedded model. No file is overwritten.",
  usage: ["actor NAME [options]", "graph NAME [options]"],
  verbs: ["actor", "graph"],
  flags: {
    dir: { value: "DIR", text: "the folder to write to; it is made", preset: "." },
    actor: { value: "MODULE.ts", text: "graph: an actor that requests pass before the model" },
    json: { text: "print the files that were written as JSON" },
  },
  example: "new actor doorkeeper --dir mine",
  exits: "0 written, 1 failed (a file is there already), 2 wrong command line.",
  permissions: "files",
  program: "new.ts",
});

export const COMPLETIONS = defineCommand({
  name: "completions",
  group: "Write your own",
  summary: "Print completions for bash, zsh or fish",
  about: "Print a script that completes commands, options and their values in a shell.",
  usage: ["bash|zsh|fish [options]"],
  verbs: ["bash", "zsh", "fish"],
  flags: {
    name: {
      value: "NAME",
      text: "the word that is completed: a function or alias for this program",
      preset: "orrery",
    },
  },
  notes: `Without an installed \`orrery\`, define one first: ${ALIAS}. ` +
    "Then put `source <(orrery completions bash)` into ~/.bashrc, the same with zsh into ~/.zshrc, " +
    "or `orrery completions fish | source` into ~/.config/fish/config.fish.",
  example: "completions bash",
  exits: "0 done, 2 wrong command line.",
  permissions: "launch",
  program: "orrery.ts",
});

/** All commands, in the order of the overview. */
export const COMMANDS: readonly Command[] = [
  ...[START, CHAT, STATUS],
  ...[MODELS, APPLY, DEPLOYMENTS, DELETE],
  ...[NODES, DOCTOR, LOGS, TOKEN, KEYS, UPGRADE],
  ...[PLAN, SIMULATE, PROFILE],
  ...[NEW, COMPLETIONS],
];
