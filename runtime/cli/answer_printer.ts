/**
 * Prints an answer while it is generated: as it comes, or, on a terminal, broken at words and with
 * the branches of an outline side by side.
 *
 * @module
 */
import { BranchPanel, isWide } from "./branch_panel.ts";
import type { ChatEnd, ChatPiece } from "./chat_client.ts";
import { WordWrap } from "./word_wrap.ts";

/** The size of a terminal. */
export interface Screen {
  columns: number;
  rows: number;
}

/** The terminal that stdout is; undefined: it is none. */
export function stdoutScreen(): Screen | undefined {
  return Deno.stdout.isTerminal() ? Deno.consoleSize() : undefined;
}

/** Whether answers are asked for with live branches. */
export const showsBranches = (screen: Screen | undefined): boolean =>
  screen !== undefined && isWide(screen.columns);

/** Says what to print for each piece of one answer. */
export class AnswerPrinter {
  readonly #screen: Screen | undefined;
  readonly #wrap: WordWrap | undefined;
  #panel?: BranchPanel;
  #text = "";

  /** `screen`: the terminal; undefined: the text is printed as it is. */
  constructor(screen: Screen | undefined) {
    this.#screen = screen;
    this.#wrap = screen && new WordWrap(screen.columns);
  }

  /** The answer so far. */
  get text(): string {
    return this.#text + (this.#panel?.text() ?? "");
  }

  /** What to print for a piece. */
  piece({ text, branch }: ChatPiece): string {
    if (branch !== undefined && this.#screen) {
      this.#panel ??= new BranchPanel(this.#screen);
      return this.#panel.add(branch, text);
    }
    this.#text += text;
    return this.#wrap?.push(text) ?? text;
  }

  /** What to print at the end, also of an answer that broke off; the cursor is then at a new line. */
  end(): string {
    const rest = (this.#wrap?.end() ?? "") + (this.#panel?.end() ?? "");
    return this.text === "" || (rest === "" && this.text.endsWith("\n")) ? rest : `${rest}\n`;
  }
}

/** One line on how an answer was made: time to the first token, speed, mode, drafts. */
export function closingLine({ finishReason, made }: ChatEnd): string {
  const facts = made
    ? [
      `first token ${seconds(made.ttft_ms)}`,
      `${Number(made.tokens_per_s.toPrecision(3))} tokens/s`,
      made.mode,
      ...(made.drafted > 0
        ? [`${Math.round(100 * made.accepted / made.drafted)} % of ${made.drafted} drafts accepted`]
        : []),
    ]
    : [];
  if (finishReason === "length") facts.push("cut at the token limit, see --max-tokens");
  return facts.length > 0 ? `(${facts.join(", ")})` : "";
}

const seconds = (ms: number): string =>
  ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`;
