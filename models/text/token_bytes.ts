/**
 * The bytes that each token of a vocabulary adds to a text, for what looks at answers token by token
 * before they are text.
 *
 * @module
 */

/** How a vocabulary spells bytes; see {@linkcode spellingOf}. */
export type Spelling = "byte_level" | "sentencepiece";

/**
 * How a tokenizer's decoder (of tokenizer.json) says that its vocabulary spells bytes: `byte_level`
 * as GPT-2 does, one character for each byte; `sentencepiece` as text with U+2581 for a space and
 * `<0x0A>` for single bytes. undefined: neither, as of WordPiece.
 */
export function spellingOf(decoder: unknown): Spelling | undefined {
  const text = JSON.stringify(decoder) ?? "";
  if (text.includes('"type":"ByteLevel"')) return "byte_level";
  return text.includes('"type":"Metaspace"') || text.includes('"\u2581"')
    ? "sentencepiece"
    : undefined;
}

/** The byte of each character of GPT-2's alphabet, by its code point. */
const BYTES = byteAlphabet();

function byteAlphabet(): Map<number, number> {
  const bytes = new Map<number, number>();
  let next = 256;
  for (let byte = 0; byte < 256; byte++) {
    const plain = byte >= 33 && byte <= 126 || byte >= 161 && byte <= 172 || byte >= 174;
    bytes.set(plain ? byte : next++, byte);
  }
  return bytes;
}

const encoder = new TextEncoder();
const SINGLE_BYTE = /^<0x([0-9A-Fa-f]{2})>$/;

/** The bytes of a token that the vocabulary spells as `spelled`. */
export function bytesOfToken(spelled: string, spelling: Spelling): Uint8Array {
  if (spelling === "sentencepiece") {
    const single = SINGLE_BYTE.exec(spelled);
    if (single) return Uint8Array.of(parseInt(single[1], 16));
    return encoder.encode(spelled.replaceAll("\u2581", " "));
  }
  const bytes = new Uint8Array(spelled.length);
  for (let i = 0; i < spelled.length; i++) {
    const byte = BYTES.get(spelled.charCodeAt(i));
    if (byte === undefined) return encoder.encode(spelled); // no word of this alphabet
    bytes[i] = byte;
  }
  return bytes;
}
