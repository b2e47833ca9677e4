/**
 * Shell scripts that complete commands, options and their values, made of the table of commands.
 *
 * @module
 */
import { type Command, COMMANDS, type Flag } from "./commands/mod.ts";
import { UsageError } from "./fail.ts";

/** The script for `shell`, which completes the word `name`. Throws {@linkcode UsageError}. */
export function completions([shell, ...rest]: string[], name: string): string {
  if (!/^[A-Za-z][A-Za-z0-9_-]{0,63}$/.test(name)) {
    throw new UsageError(`--name takes letters, digits and hyphens, got ${JSON.stringify(name)}`);
  }
  if (rest.length > 0) throw new UsageError(`unexpected ${JSON.stringify(rest[0])}`);
  if (shell === "bash") return bash(name);
  if (shell === "zsh") return zsh(name);
  if (shell === "fish") return fish(name);
  throw new UsageError(`completions takes bash, zsh or fish, got ${JSON.stringify(shell ?? "")}`);
}

const flagsOf = (command: Command): [string, Flag][] => [
  ...Object.entries(command.flags),
  ["help", { text: "print its help" }],
];

/** A text in single quotes of a shell. */
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

function bash(name: string): string {
  const helper = `_${name.replaceAll("-", "_")}`;
  const words = COMMANDS.map((command) =>
    `    ${command.name}) words=${
      quoted([...command.verbs ?? [], ...flagsOf(command).map(([flag]) => `--${flag}`)].join(" "))
    } ;;`
  );
  const values = COMMANDS.flatMap((command) =>
    flagsOf(command).filter(([, { choices }]) => choices).map(([flag, { choices }]) =>
      `    ${command.name}:--${flag}) words=${quoted(choices!.join(" "))} ;;`
    )
  );
  // A value without choices is most often a file or a folder.
  const files = COMMANDS.flatMap((command) =>
    flagsOf(command).filter(([, { value, choices }]) => value !== undefined && !choices)
      .map(([flag]) => `${command.name}:--${flag}`)
  );
  return `${helper}() {
  local word="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" words=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W ${
    quoted(["help", ...COMMANDS.map((c) => c.name)].join(" "))
  } -- "$word"))
    return
  fi
  case "\${COMP_WORDS[1]}:$before" in
${values.join("\n")}
    ${files.join("|")}) COMPREPLY=($(compgen -f -- "$word")); return ;;
  esac
  if [ -z "$words" ]; then
    case "\${COMP_WORDS[1]}" in
${words.map((line) => `  ${line}`).join("\n")}
      help) words=${quoted(COMMANDS.map((c) => c.name).join(" "))} ;;
    esac
    case "$word" in -*) ;; *) COMPREPLY=($(compgen -f -- "$word")) ;; esac
  fi
  COMPREPLY+=($(compgen -W "$words" -- "$word"))
}
complete -o filenames ${"-F"} ${helper} ${name}`;
}

/** Whether an argument of the command is a file or a folder. */
const takesFile = ({ usage }: Command): boolean => usage.some((form) => /\.yaml|SOURCE/.test(form));

/** The script for zsh, by its own `_arguments`, which shows what each option does. */
function zsh(name: string): string {
  const helper = `_${name.replaceAll("-", "_")}`;
  /** A text within a specification, where colons and brackets have a meaning. */
  const plain = (text: string) => text.replaceAll(/[\\:[\]]/g, "\\$&");
  const described = COMMANDS.map((command) => quoted(`${command.name}:${plain(command.summary)}`));
  const cases = COMMANDS.map((command) => {
    const options = flagsOf(command).map(([flag, { value, text, choices, multiple }]) => {
      const action = choices ? `(${choices.join(" ")})` : "_files";
      const takes = value === undefined ? "" : `:${plain(value)}:${action}`;
      return quoted(`${multiple ? "*" : ""}--${flag}[${plain(text)}]${takes}`);
    });
    const verbs = command.verbs ? [quoted(`1:what:(${command.verbs.join(" ")})`)] : [];
    const files = takesFile(command) ? [quoted("*:file:_files")] : [];
    return `    ${command.name}) _arguments ${[...options, ...verbs, ...files].join(" ")} ;;`;
  });
  return `(( $+functions[compdef] )) || { autoload -U +X compinit && compinit -u; }
${helper}() {
  if (( CURRENT == 2 )); then
    local -a commands=(${["'help:Print the help of a command'", ...described].join(" ")})
    _describe command commands
    return
  fi
  local command="$words[2]"
  shift words
  (( CURRENT-- ))
  case "$command" in
${cases.join("\n")}
    help) _arguments ${quoted(`1:command:(${COMMANDS.map((c) => c.name).join(" ")})`)} ;;
  esac
}
compdef ${helper} ${name}`;
}

function fish(name: string): string {
  const lines = [`complete -c ${name} -f`];
  for (const command of COMMANDS) {
    const summary = quoted(command.summary);
    lines.push(`complete -c ${name} -n __fish_use_subcommand -a ${command.name} -d ${summary}`);
    const inside = `-n ${quoted(`__fish_seen_subcommand_from ${command.name}`)}`;
    if (takesFile(command)) lines.push(`complete -c ${name} ${inside} -F`);
    for (const verb of command.verbs ?? []) lines.push(`complete -c ${name} ${inside} -a ${verb}`);
    for (const [flag, { value, text, choices }] of flagsOf(command)) {
      const takes = value === undefined
        ? ""
        : choices
        ? ` -x -a ${quoted(choices.join(" "))}`
        : " -r -F";
      lines.push(`complete -c ${name} ${inside} -l ${flag}${takes} -d ${quoted(text)}`);
    }
  }
  return lines.join("\n");
}
