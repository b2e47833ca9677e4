/**
 * `deno task chat`: asks a node and prints the answer while it is generated.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a command talks to its user
import { createInterface, type Interface } from "node:readline";
import process from "node:process";
import pc from "picocolors";
import { clientKey } from "../access/mod.ts";
import { AnswerPrinter, closingLine, showsBranches, stdoutScreen } from "./answer_printer.ts";
import { numberOption, readFlags, urlOption } from "./args.ts";
import { type ChatCall, streamChat, type Turn, wholeChat } from "./chat_client.ts";
import { ChatHistory, historyFolder } from "./chat_history.ts";
import {
  CHAT_HELP,
  CHAT_MODES,
  type ChatCommand,
  chatCommand,
  type ChatMode,
  QuestionLines,
} from "./chat_input.ts";
import { CHAT } from "./commands/mod.ts";
import { describeFailure, exitCodes, runCommand, UsageError } from "./fail.ts";
import { printHelp } from "./print_help.ts";

interface Settings {
  /** What every request of the conversation has in common. */
  call: Omit<ChatCall, "messages" | "signal">;
  /** The system message that every conversation begins with; empty: none. */
  system: Turn[];
  /** Print the API's JSON instead of the text? */
  json: boolean;
}

const encoder = new TextEncoder();

/** Writes all of the text to stdout; a single write may take only a part of it. */
async function print(text: string): Promise<void> {
  const bytes = encoder.encode(text);
  for (let at = 0; at < bytes.length;) at += await Deno.stdout.write(bytes.subarray(at));
}

/** Prints the answer to the conversation so far, and returns its text (with `--json` too). */
async function ask(
  { call, json }: Settings,
  messages: Turn[],
  signal: AbortSignal,
): Promise<string> {
  if (json) {
    const answer = await wholeChat({ ...call, messages, signal });
    await print(JSON.stringify(answer) + "\n");
    return (answer as { choices?: { message?: { content?: string } }[] }).choices?.[0]?.message
      ?.content ??
      "";
  }
  const screen = stdoutScreen();
  const printer = new AnswerPrinter(screen);
  const liveBranches = showsBranches(screen) || undefined;
  const pieces = streamChat({ ...call, messages, liveBranches, signal });
  let step;
  try {
    for (step = await pieces.next(); !step.done; step = await pieces.next()) {
      await print(printer.piece(step.value));
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) await print(printer.end());
    throw error;
  }
  await print(printer.end());
  const line = closingLine(step.value);
  if (screen && line !== "" && Deno.stderr.isTerminal()) console.error(pc.dim(line));
  return printer.text;
}

/** Asks one question; Ctrl-C stops the answer. */
async function askOnce(settings: Settings, question: string): Promise<number> {
  const stop = new AbortController();
  Deno.addSignalListener("SIGINT", () => stop.abort());
  try {
    await ask(settings, [...settings.system, { role: "user", content: question }], stop.signal);
    return exitCodes.ok;
  } catch (error) {
    if (stop.signal.aborted) return exitCodes.interrupted;
    throw error;
  }
}

/** Answers every line of stdin, which is no terminal, as a turn of one conversation. */
async function answerLines(settings: Settings): Promise<number> {
  let answering: AbortController | undefined;
  const lines = createInterface({ input: process.stdin });
  Deno.addSignalListener("SIGINT", () => {
    if (!answering) Deno.exit(exitCodes.interrupted);
    answering.abort();
  });
  const history: Turn[] = [...settings.system];
  for await (const line of lines) {
    if (line.trim() === "") continue;
    answering = new AbortController();
    const question: Turn = { role: "user", content: line };
    try {
      const content = await ask(settings, [...history, question], answering.signal);
      history.push(question, { role: "assistant", content });
    } catch (error) {
      if (!answering.signal.aborted) throw error;
    }
    answering = undefined;
  }
  return exitCodes.ok;
}

/** A conversation on a terminal. */
class Conversation {
  readonly #settings: Settings;
  readonly #lines: Interface;
  readonly #question = new QuestionLines();
  #turns: Turn[];
  #answering?: AbortController;
  #code: number = exitCodes.ok;

  constructor(settings: Settings, history: ChatHistory) {
    this.#settings = settings;
    this.#turns = [...settings.system];
    this.#lines = createInterface({
      input: process.stdin,
      output: process.stdout,
      terminal: true,
      history: history.read(),
      historySize: 500,
      removeHistoryDuplicates: true,
    });
    this.#lines.on("history", (questions) => history.write(questions));
    this.#lines.on("SIGINT", () => this.#interrupt());
    Deno.addSignalListener("SIGINT", () => this.#interrupt());
  }

  /** Resolves to the exit code, once the user ends it. */
  async run(): Promise<number> {
    console.log(pc.dim("/help says what can be typed; Ctrl-D ends"));
    this.#prompt();
    for await (const line of this.#lines) {
      await this.#line(line);
      this.#prompt();
    }
    return this.#code;
  }

  #prompt(): void {
    this.#lines.setPrompt(this.#question.open ? "... " : "> ");
    this.#lines.prompt();
  }

  /** Ctrl-C: ends the answer; else empties the line, and on an empty line it ends the program. */
  #interrupt(): void {
    if (this.#answering) return this.#answering.abort();
    if (this.#question.open || this.#lines.line !== "") {
      this.#question.clear();
      // deno-lint-ignore no-explicit-any -- Node documents these properties as settable by programs
      Object.assign(this.#lines as any, { line: "", cursor: 0 });
      console.log();
      return this.#prompt();
    }
    this.#code = exitCodes.interrupted;
    console.log();
    this.#lines.close();
  }

  async #line(line: string): Promise<void> {
    const command = this.#question.open ? undefined : chatCommand(line);
    if (command) return this.#command(command);
    const content = this.#question.add(line);
    if (content === undefined || content === "") return;
    const question: Turn = { role: "user", content };
    const answering = this.#answering = new AbortController();
    try {
      const answer = await ask(this.#settings, [...this.#turns, question], answering.signal);
      this.#turns.push(question, { role: "assistant", content: answer });
    } catch (error) {
      if (!answering.signal.aborted) console.error(describeFailure(error).line);
      else console.error(pc.dim("(stopped; the question is forgotten)"));
    } finally {
      this.#answering = undefined;
    }
  }

  #command(command: ChatCommand): void {
    const { call } = this.#settings;
    switch (command.state) {
      case "help":
        return console.log(CHAT_HELP);
      case "clear":
        this.#turns = [...this.#settings.system];
        return console.log(pc.dim("a new conversation"));
      case "mode":
        call.mode = command.mode;
        return console.log(pc.dim(`answers are generated in mode ${command.mode}`));
      case "show mode":
        return console.log(`${call.mode ?? "auto"}; known are ${CHAT_MODES.join(", ")}`);
      case "exit":
        return this.#lines.close();
      case "wrong":
        return console.error(`error: ${command.why}`);
    }
  }
}

/** The value of `--mode`. */
function modeOption(text: string | undefined): ChatMode | undefined {
  const mode = CHAT_MODES.find((known) => known === text);
  if (text === undefined || mode) return mode;
  throw new UsageError(`--mode takes ${CHAT_MODES.join(", ")}, got ${JSON.stringify(text)}`);
}

async function chat(args: string[]): Promise<number> {
  const { values, positionals } = readFlags(CHAT, args);
  if (!values) return printHelp(CHAT);
  const settings: Settings = {
    call: {
      url: urlOption("url", values.url),
      key: clientKey(values["api-key-file"]),
      maxTokens: numberOption("max-tokens", values["max-tokens"], {
        min: 1,
        max: 1_000_000,
        integer: true,
      }),
      temperature: numberOption("temperature", values.temperature, { min: 0, max: 2 }),
      mode: modeOption(values.mode),
    },
    system: values.system === undefined ? [] : [{ role: "system", content: values.system }],
    json: values.json,
  };
  const question = positionals.join(" ");
  if (question.trim() !== "") return await askOnce(settings, question);
  const terminal = Deno.stdin.isTerminal() && Deno.stdout.isTerminal();
  return terminal
    ? await new Conversation(settings, new ChatHistory(historyFolder(Deno.env.get("HOME")))).run()
    : await answerLines(settings);
}

if (import.meta.main) await runCommand(chat);
