/**
 * Help of commands, made of their descriptions. No text is printed here.
 *
 * @module
 */
import { type Command, COMMANDS, type Flag, GROUPS } from "./commands/mod.ts";
import { PROGRAM } from "./program_name.ts";
import { wrap } from "./wrap.ts";

/** Widest line, in characters. */
export const HELP_WIDTH = 100;
/** Options longer than this stand on a line of their own. */
const LONGEST_NAME = 22;

/** Prints text bold, or as it is. */
export type Emphasis = (text: string) => string;

/** An option as it is written: `--port N`. */
const flagText = (name: string, { value }: Flag): string =>
  `--${name}${value === undefined ? "" : ` ${value}`}`;

/** What an option does, and what happens without it. */
function meaning({ text, otherwise, preset }: Flag): string {
  const left = otherwise ?? preset;
  return left === undefined ? text : `${text} [${left}]`;
}

/** A text beside a name, broken between words. */
function beside(name: string, text: string, column: number): string[] {
  const lines = wrap(text, HELP_WIDTH - column - 4);
  const pad = " ".repeat(column + 4);
  const first = `  ${name.padEnd(column)}  `;
  return first.length > column + 4
    ? [`  ${name}`, ...lines.map((line) => pad + line)]
    : lines.map((line, i) => (i === 0 ? first : pad) + line);
}

/** How the help of a command is written. */
export interface HelpOptions {
  /** What stands before its name on a command line. @default {@linkcode PROGRAM} */
  program?: string;
  bold?: Emphasis;
  /** Explains options that few need too. @default false */
  all?: boolean;
}

/** `--help` itself, and the names of the options that it leaves out. */
function helpFlag(flags: Command["flags"], all: boolean): [string, Flag] {
  const rare = Object.keys(flags).filter((name) => flags[name].rare);
  if (rare.length === 0) return ["help", { text: "print this" }];
  const names = rare.map((name) => `--${name}`).join(", ");
  const text = all
    ? "print this; without all only what most need"
    : `print this; all: also ${names}`;
  return ["help", { value: "[all]", text }];
}

/** The help of one command. */
export function commandHelp(
  command: Command,
  { program = PROGRAM, bold = (text: string) => text, all: whole = false }: HelpOptions = {},
): string {
  const { name, about, usage, flags, notes, example, exits } = command;
  const all: [string, Flag][] = [
    ...Object.entries(flags).filter(([, { rare }]) => whole || !rare),
    helpFlag(flags, whole),
  ];
  const names = all.map(([flag, described]) => flagText(flag, described));
  const column = Math.min(LONGEST_NAME, Math.max(...names.map((text) => text.length)));
  const lines = [
    ...wrap(about, HELP_WIDTH),
    "",
    ...usage.map((form, i) =>
      `${i === 0 ? `${bold("Usage:")}` : "      "} ${program} ${name} ${form}`
    ),
    "",
  ];
  for (const [i, [, flag]] of all.entries()) {
    if (flag.heading !== undefined) lines.push(...(i > 0 ? [""] : []), bold(`${flag.heading}:`));
    lines.push(...beside(names[i], meaning(flag), column));
  }
  lines.push("", ...(notes === undefined ? [] : [...wrap(notes, HELP_WIDTH), ""]));
  lines.push(
    `${bold("Example:")} ${program} ${example}`,
    ...wrap(`Exit codes: ${exits}`, HELP_WIDTH),
  );
  return lines.join("\n");
}

/** The overview of all commands. */
export function overview(
  { program = PROGRAM, bold = (text: string) => text }: { program?: string; bold?: Emphasis } = {},
): string {
  const column = Math.max(...COMMANDS.map(({ name }) => name.length));
  const groups = GROUPS.flatMap((group) => [
    "",
    bold(`${group}:`),
    ...COMMANDS.filter((command) => command.group === group)
      .flatMap(({ name, summary }) => beside(name, summary, column)),
  ]);
  return [
    "Runs generative language models across the machines that you have.",
    "",
    `${bold("Usage:")} ${program} COMMAND [options]`,
    ...groups,
    "",
    `${bold("Example:")} ${program} start --ask "Why does it rain?"`,
    ...wrap(
      `"${program} COMMAND --help" prints the options of a command and an example. ` +
        "Exit codes: 0 done, 1 failed, 2 wrong command line, 130 stopped by Ctrl-C.",
      HELP_WIDTH,
    ),
  ].join("\n");
}
