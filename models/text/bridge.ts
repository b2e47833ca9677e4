/**
 * Joins the vocabularies of two tokenizers by the text that their tokens stand for, for a draft model
 * whose tokenizer is not its target's.
 *
 * A text is cut before words that follow a space: there both tokenizers begin a token, whatever
 * follows. So what was encoded once is kept, and only the last word is encoded again as it grows.
 *
 * @module
 */
import type { Tokenizer } from "./tokenizer.ts";

/** A text by which two vocabularies are compared: prose, a list, code and numbers. */
const SAMPLE =
  `A city that keeps its rivers clean has to measure them first. In 2019 the council paid
for 24 sensors, and by the next spring everybody could read, on a public page, how warm the water was
and how much oxygen it held. Three things followed:

1. Two factories changed how they rinse their tanks.
2. Schools began to visit the lower bridge; children counted insects under stones.
3. Fishing was forbidden from March to May, although nobody had asked for that.

\`\`\`python
def mean(values: list[float]) -> float:
    """Return the arithmetic mean, or 0.0 for an empty list."""
    total = 0.0
    for index, value in enumerate(values):
        if value is not None:
            total += value * (1.5 if index % 2 == 0 else 0.5)
    return total / max(1, len(values))
\`\`\`

"It is slower than we hoped," said the engineer, "but the curve points the right way." The budget for
the coming year (about 310,000 euros) was accepted with 14 votes against 9.`;

/** A word behind a space, in front of which a text may be cut. */
const WORD = /^ \p{L}/u;

/** What {@linkcode openBridge} gives. */
export interface TextBridge {
  /** Ids of the draft model for each id of the target, in the mean. */
  ratio: number;
  /** Begins a text. */
  open(): BridgeText;
}

/** One tokenizer of a bridge. */
export interface BridgeSide {
  /** Its tokens. */
  tokenizer: Tokenizer;
  /** Ids that end a text. */
  eos: readonly number[];
}

/**
 * The bridge between two tokenizers. A string: there can be none, and why. Words of the message say
 * which tokenizer it is: the target's, or the draft model's.
 */
export function openBridge(target: BridgeSide, draft: BridgeSide): TextBridge | string {
  const inner: ((text: string) => number[])[] = [];
  for (
    const [whose, { tokenizer }] of [["the target", target], ["the draft model", draft]] as const
  ) {
    if (tokenizer.spelling === undefined) {
      return `the tokens of ${whose} do not say which bytes they stand for`;
    }
    const encode = innerEncoder(tokenizer);
    if (!encode) return `the tokens of ${whose} depend on the words before them`;
    inner.push(encode);
  }
  const [encodeTarget, encodeDraft] = inner;
  const ratio = encodeDraft(SAMPLE).length / encodeTarget(SAMPLE).length;
  return {
    ratio,
    open: () => new BridgeText({ target, draft, encodeTarget, encodeDraft }),
  };
}

/**
 * Encodes a text that begins with a word behind a space as a part of a longer one. Undefined: its
 * tokens are others there.
 */
function innerEncoder(tokenizer: Tokenizer): ((text: string) => number[]) | undefined {
  const plain = (text: string) => tokenizer.encode(text, { addSpecialTokens: false });
  // Some tokenizers put a space before each text.
  const stripped = (text: string) => plain(text.startsWith(" ") ? text.slice(1) : text);
  const [head, tail] = ["The river", " was measured twice, in spring."];
  const whole = plain(head + tail).join();
  for (const encode of [plain, stripped]) {
    if (whole === [...plain(head), ...encode(tail)].join()) return encode;
  }
  return undefined;
}

/** Where a text may be cut. */
interface Cut {
  /** Ids of the target before it. */
  target: number;
  /** Ids of the draft model before it. */
  draft: number;
}

/** A text that grows, in both vocabularies. */
export class BridgeText {
  readonly #target: BridgeSide;
  readonly #draft: BridgeSide;
  readonly #encodeTarget: (text: string) => number[];
  readonly #encodeDraft: (text: string) => number[];
  /** The target's ids that were followed last. */
  #followed: number[] = [];
  /** Ids of the draft model up to the last cut. */
  #ids: number[];
  /** Ascending; the first is the text's begin. */
  #cuts: Cut[];
  /** Bytes of the target's ids behind the last cut. */
  #tail = new Uint8Array(0);

  /** `encodeTarget`, `encodeDraft`: as {@linkcode innerEncoder} gives them. */
  constructor({ target, draft, encodeTarget, encodeDraft }: {
    target: BridgeSide;
    draft: BridgeSide;
    encodeTarget: (text: string) => number[];
    encodeDraft: (text: string) => number[];
  }) {
    this.#target = target;
    this.#draft = draft;
    this.#encodeTarget = encodeTarget;
    this.#encodeDraft = encodeDraft;
    this.#ids = draft.tokenizer.encode("", { addSpecialTokens: true });
    this.#cuts = [{ target: 0, draft: this.#ids.length }];
  }

  /** The draft model's ids of a text; undefined: it ends within a character. */
  follow(tokens: readonly number[]): number[] | undefined {
    let same = 0;
    while (same < tokens.length && this.#followed[same] === tokens[same]) same++;
    this.#followed = [...tokens];
    while (this.#cuts.length > 1 && this.#cuts.at(-1)!.target > same) this.#cuts.pop();
    const { target: from, draft: kept } = this.#cuts.at(-1)!;
    this.#ids.length = kept;
    const { tokenizer } = this.#target;
    let part: Uint8Array[] = [];
    const cut = (at: number) => {
      const text = textOf(joined(part));
      if (text === undefined) return;
      if (text !== "") this.#ids.push(...this.#encodeDraft(text));
      this.#cuts.push({ target: at, draft: this.#ids.length });
      part = [];
    };
    for (let at = from; at < tokens.length; at++) {
      const id = tokens[at];
      if (tokenizer.specialIds.has(id)) {
        cut(at);
        this.#special(id, at);
        this.#cuts.push({ target: at + 1, draft: this.#ids.length });
        continue;
      }
      const bytes = tokenizer.tokenBytes(id);
      const last = part.at(-1)?.at(-1);
      if (last !== undefined && last > SPACE && WORD.test(textOf(bytes) ?? "")) cut(at);
      part.push(bytes);
    }
    this.#tail = joined(part);
    const text = textOf(this.#tail);
    if (text === undefined) return undefined;
    return text === "" ? [...this.#ids] : [...this.#ids, ...this.#encodeDraft(text)];
  }

  /** Adds a special token of the target. */
  #special(id: number, at: number): void {
    if (id === this.#target.tokenizer.bosToken && at === 0) return; // the draft model has its own
    const text = this.#target.tokenizer.tokenText(id);
    const own = this.#draft.tokenizer.addedId(text);
    if (own !== undefined) this.#ids.push(own);
    else this.#ids.push(...this.#encodeDraft(text));
  }

  /** See `BridgedText.back` in actors/pipeline/draft_bridge.ts. */
  back(
    { tokens: drafted, chances }: { tokens: readonly number[]; chances: readonly number[] },
  ): { tokens: number[]; chances: number[] } {
    const { tokenizer, eos } = this.#draft;
    const pieces: Uint8Array[] = [];
    /** By byte of the draft: the chance of the token that begins there, 1 within a token. */
    const own: number[] = [];
    let ends = false;
    for (const [i, id] of drafted.entries()) {
      if (eos.includes(id)) ends = true;
      if (ends || tokenizer.specialIds.has(id)) break;
      const bytes = tokenizer.tokenBytes(id);
      pieces.push(bytes);
      for (let b = 0; b < bytes.length; b++) own.push(b === 0 ? chances[i] : 1);
    }
    const found = this.#behindTail(joined(pieces));
    const back: { tokens: number[]; chances: number[] } = { tokens: [], chances: [] };
    let at = 0;
    for (const id of found) {
      const { length } = this.#target.tokenizer.tokenBytes(id);
      back.tokens.push(id);
      back.chances.push(own.slice(at, at + length).reduce((a, b) => a * b, 1));
      at += length;
    }
    const endChance = chances[pieces.length];
    if (ends && this.#target.eos.length > 0) {
      back.tokens.push(this.#target.eos[0]);
      back.chances.push(endChance);
    } else if (back.tokens.length > 1) {
      // More of the draft might make another token of the last one's bytes.
      back.tokens.pop();
      back.chances.pop();
    }
    return back;
  }

  /** The target's ids of a text behind the tail; none where a token would cross its end. */
  #behindTail(bytes: Uint8Array): number[] {
    const text = textOf(joined([this.#tail, bytes]), { cutEnd: true });
    if (text === undefined || text === "") return [];
    const ids = this.#encodeTarget(text);
    let length = 0;
    let count = 0;
    const { tokenizer } = this.#target;
    for (; count < ids.length && length < this.#tail.length; count++) {
      length += tokenizer.tokenBytes(ids[count]).length;
    }
    return length === this.#tail.length ? ids.slice(count) : [];
  }
}

const SPACE = 0x20;

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** The text of bytes; `cutEnd`: without an incomplete character at its end. Undefined: no text. */
function textOf(bytes: Uint8Array, { cutEnd = false } = {}): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes, {
      stream: cutEnd,
    });
  } catch {
    return undefined;
  }
}
