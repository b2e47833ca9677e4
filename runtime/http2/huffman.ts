/**
 * The Huffman code of HPACK (RFC 7541, appendix B). It is canonical: the lengths of the codes say
 * what they are.
 *
 * @module
 */

/** Bits of the code of each byte, and of the end of a text. */
const LENGTHS: readonly number[] = [
  ...[13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28],
  ...[28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28],
  ...[6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6],
  ...[5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10],
  ...[13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7],
  ...[7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6],
  ...[15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5],
  ...[6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28],
  ...[20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23],
  ...[24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24],
  ...[22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23],
  ...[21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23],
  ...[26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25],
  ...[19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27],
  ...[20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23],
  ...[26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26],
  30,
];
const END = 256;

/** By length: the first code, and the symbols of that length in order. */
const codes: { first: number; symbols: number[] }[] = Array.from(
  { length: 31 },
  () => ({ first: 0, symbols: [] }),
);
LENGTHS.forEach((length, symbol) => codes[length].symbols.push(symbol));
for (let length = 1, next = 0; length < codes.length; length++) {
  next *= 2;
  codes[length].first = next;
  next += codes[length].symbols.length;
}

/** Most bits that fill the last byte up. */
const MOST_FILL = 7;

/** The bytes that a coded text stands for. Throws RangeError where it is not of this code. */
export function decodeHuffman(coded: Uint8Array): Uint8Array {
  const bytes: number[] = [];
  let code = 0;
  let length = 0;
  for (const byte of coded) {
    for (let bit = 7; bit >= 0; bit--) {
      code = code * 2 + (byte >> bit & 1);
      length++;
      if (length >= codes.length) throw new RangeError("no code of HPACK is as long");
      const { first, symbols } = codes[length];
      const symbol = code >= first ? symbols[code - first] : undefined;
      if (symbol === undefined) continue;
      if (symbol === END) throw new RangeError("a coded text holds its end");
      bytes.push(symbol);
      code = length = 0;
    }
  }
  // What is left are the first bits of the end, which are ones.
  if (length > MOST_FILL || code !== 2 ** length - 1) {
    throw new RangeError("a coded text ends amid a code");
  }
  return Uint8Array.from(bytes);
}
