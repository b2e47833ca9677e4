/**
 * Every command of `orrery`: its options, its help, its permissions, as data. The dispatcher, the
 * commands themselves, completions and the test of docs/command-line.md read this one table.
 *
 * @module
 */
import { CHAT, DOCTOR, KEYS, NODES, TOKEN } from "./asking.ts";
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
  MODELS,
  NODES,
  PLAN,
  PROFILE,
  SIMULATE,
  START,
  TOKEN,
};

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
  notes:
    "Without an installed `orrery`, define one first: alias orrery='deno task --config DIR/deno.json orrery', where " +
    "DIR is this folder. Then put `source <(orrery completions bash)` into ~/.bashrc, the same with zsh into ~/.zshrc, " +
    "or `orrery completions fish | source` into ~/.config/fish/config.fish.",
  example: "completions bash",
  exits: "0 done, 2 wrong command line.",
  permissions: "launch",
  program: "orrery.ts",
});

/** All commands, in the order of the overview. */
export const COMMANDS: readonly Command[] = [
  ...[START, CHAT],
  ...[MODELS, APPLY, DEPLOYMENTS, DELETE],
  ...[NODES, DOCTOR, TOKEN, KEYS],
  ...[PLAN, SIMULATE, PROFILE],
  ...[COMPLETIONS],
];
