/**
 * How a command is described: its flags, its help, its permissions. Help, completions, suggestions
 * for typing errors and the check of docs/command-line.md are all made of these descriptions.
 *
 * @module
 */

/** An option of a command. */
export interface Flag {
  /** Stands for its value in help, such as `N`; left out: the option takes none. */
  value?: string;
  /** What it does, in a few words. */
  text: string;
  /** What happens without it; shown in brackets. @default the preset value, if there is one */
  otherwise?: string;
  /** Its value where it is left out. */
  preset?: string;
  /** Whether it may be given more than once. */
  multiple?: true;
  /** The values that completions offer. */
  choices?: readonly string[];
  /** Few need it: `--help` only names it, `--help all` explains it. */
  rare?: true;
  /** Begins a new paragraph of help, with this heading. */
  heading?: string;
}

/** Groups of commands in the overview, in its order. */
export const GROUPS = [
  "Run and ask",
  "Models and deployments",
  "Cluster",
  "Plan",
  "Write your own",
] as const;

/** A command. */
export interface Command {
  /** What the user types. */
  name: string;
  /** Where it stands in the overview. */
  group: typeof GROUPS[number];
  /** One line for the overview. */
  summary: string;
  /** The first paragraph of its help. */
  about: string;
  /** What follows its name on the command line, one line for each form; at least one. */
  usage: readonly string[];
  /** Words that may be its first argument, for completions. */
  verbs?: readonly string[];
  /** Its options by name; all commands have `--help` besides. */
  flags: Readonly<Record<string, Flag>>;
  /** A last paragraph of help. */
  notes?: string;
  /** A command line that works when it is pasted, without the program's name. */
  example: string;
  /** Exit codes in words. */
  exits: string;
  /** Name of its permission set in deno.json. */
  permissions: string;
  /** Its program, a file of `runtime/cli`. */
  program: string;
}

/** A value of an option, as its description says. */
type FlagValue<F extends Flag> = F extends { value: string }
  ? F extends { multiple: true } ? string[] | undefined
  : F extends { preset: string } ? string
  : string | undefined
  : boolean;

/** The values of a command's options. */
export type FlagValues<C extends Command> = {
  -readonly [Name in keyof C["flags"]]: FlagValue<C["flags"][Name]>;
};

/** The description as it is; its type keeps which options take a value. */
export const defineCommand = <const C extends Command>(command: C): C => command;

/** Options that several commands share. */
export const shared = {
  url: {
    value: "URL",
    text: "the API of any node of the cluster",
    preset: "http://127.0.0.1:8420",
  },
  key: {
    value: "FILE",
    text: "a file with the key to send",
    otherwise: "the variable ORRERY_API_KEY, if it is set",
  },
  json: { text: "print JSON" },
  data: { value: "DIR", text: "where models and measured profiles are", preset: ".orrery" },
} as const satisfies Record<string, Flag>;

/** The exit codes of most commands. */
export const USUAL_EXITS = "0 done, 1 failed, 2 wrong command line.";

/** Precisions in which models are stored; a test compares them with those of `models`. */
export const STORED_PRECISIONS = ["q4", "q4m", "q8", "f16", "f32"] as const;
