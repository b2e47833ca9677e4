/**
 * `deno task chat`: asks a node and prints the answer while it is generated.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a command talks to its user
import { createInterface } from "node:readline";
import process from "node:process";
import { clientKey } from "../access/mod.ts";
import { numberOption, readFlags, urlOption } from "./args.ts";
import { CHAT } from "./commands/mod.ts";
import { type ChatCall, streamChat, type Turn, wholeChat } from "./chat_client.ts";
import { describeFailure, exitCodes, runCommand } from "./fail.ts";
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
  let text = "";
  let reason = "";
  try {
    const pieces = streamChat({ ...call, messages, signal });
    let step = await pieces.next();
    for (; !step.done; step = await pieces.next()) {
      text += step.value;
      await print(step.value);
    }
    reason = step.value;
  } finally {
    if (text !== "" && !text.endsWith("\n")) await print("\n");
  }
  if (reason === "length" && Deno.stderr.isTerminal()) {
    console.error("(cut at the token limit: see --max-tokens)");
  }
  return text;
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

/**
 * Answers every line of stdin as a turn of one conversation. Ctrl-C stops the answer that is being
 * printed; at the prompt it ends the conversation.
 */
async function converse(settings: Settings): Promise<number> {
  const terminal = Deno.stdin.isTerminal() && Deno.stdout.isTerminal();
  const lines = createInterface({
    input: process.stdin,
    output: terminal ? process.stdout : undefined,
    prompt: "> ",
  });
  let answering: AbortController | undefined;
  const interrupt = () => answering ? answering.abort() : lines.close();
  lines.on("SIGINT", interrupt);
  Deno.addSignalListener("SIGINT", interrupt);
  let code: number = exitCodes.ok;
  const history: Turn[] = [...settings.system];
  if (terminal) lines.prompt();
  for await (const line of lines) {
    if (line.trim() !== "") {
      answering = new AbortController();
      const question: Turn = { role: "user", content: line };
      try {
        const content = await ask(settings, [...history, question], answering.signal);
        history.push(question, { role: "assistant", content });
      } catch (error) {
        if (!answering.signal.aborted) {
          const failure = describeFailure(error);
          code = failure.code;
          console.error(failure.line);
          if (!terminal) break;
        }
      }
      answering = undefined;
    }
    if (terminal) lines.prompt();
  }
  return terminal ? exitCodes.ok : code;
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
    },
    system: values.system === undefined ? [] : [{ role: "system", content: values.system }],
    json: values.json,
  };
  const question = positionals.join(" ");
  return question.trim() === "" ? await converse(settings) : await askOnce(settings, question);
}

if (import.meta.main) await runCommand(chat);
