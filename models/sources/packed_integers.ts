/**
 * Weights in integers with a scale for each group of inputs: GPTQ (Frantar et al., arXiv 2210.17323;
 * files as AutoGPTQ and GPTQModel write them), AWQ (Lin et al., arXiv 2306.00978; AutoAWQ's layout
 * "gemm") and compressed-tensors. value = (code - zero) * scale. Our layouts hold these values
 * exactly, so they are carried over without rounding.
 *
 * @module
 */
import type { Packing } from "../arch/mod.ts";
import type { Block } from "../manifest.ts";
import { blocksOf, dividingBlock } from "../quantise.ts";
import type {
  PackedCodes,
  PackedRows,
  PackedTensor,
  PlacedTensor,
  ReadBytes,
} from "./placed_tensor.ts";
import { checkPart, endingWith, packedError, readScales } from "./packed_parts.ts";

type Integers = Extract<Packing, { kind: "integers" }>;

/** Bits of a word that holds several codes. */
const WORD_BITS = 32;
/** Column of each code within a word of AWQ, the lowest code first. */
const AWQ_ORDER = [0, 2, 4, 6, 1, 3, 5, 7];
/** Codes in the order of their bits, the lowest first. */
const IN_ORDER = [0, 1, 2, 3, 4, 5, 6, 7];
/** Middle of the codes of our layout q8. */
const MIDDLE_Q8 = 128;

/** The parts of a packed matrix by role, each with its name. */
interface Parts {
  codes: [string, PlacedTensor];
  scales: [string, PlacedTensor];
  zeros?: [string, PlacedTensor];
  groups?: [string, PlacedTensor];
}

/** A matrix of codes with scales, in memory as far as all rows need it. */
interface Coded {
  /** Inputs of a row. */
  inputs: number;
  /** Codes u8 [rows, inputs] of some rows. */
  codes(firstRow: number, rows: number): Promise<Uint8Array>;
  /** Groups of a row. */
  groups: number;
  /** Scale of a group of a row, and its zero point. */
  scale(row: number, group: number): number;
  zero(row: number, group: number): number;
  /** Group of each input; undefined: as many neighbours in each. */
  groupOf?: Int32Array;
}

/** Endings of the parts' names in each layout. */
const ENDINGS = {
  gptq: { codes: "qweight", scales: "scales", zeros: "qzeros", groups: "g_idx" },
  awq: { codes: "qweight", scales: "scales", zeros: "qzeros", groups: undefined },
  rows: {
    codes: "weight_packed",
    scales: "weight_scale",
    zeros: "weight_zero_point",
    groups: "weight_g_idx",
  },
} as const;

/** Adds a tensor X.weight for each matrix of packed integers. */
export function packIntegers(tensors: Map<string, PlacedTensor>, packing: Integers): void {
  const endings = ENDINGS[packing.layout];
  const perWord = WORD_BITS / packing.bits;
  for (const [stem, codes] of endingWith(tensors, `.${endings.codes}`)) {
    const part = (ending: string | undefined): [string, PlacedTensor] | undefined => {
      const tensor = ending === undefined ? undefined : tensors.get(`${stem}.${ending}`);
      return tensor && [`${stem}.${ending}`, tensor];
    };
    const scales = part(endings.scales);
    if (!scales || codes.dtype !== "I32" || codes.shape.length !== 2) continue;
    const [first, second] = codes.shape;
    const shape = {
      gptq: [second, first * perWord],
      awq: [second * perWord, first],
      rows: [first, second * perWord],
    }[packing.layout];
    const parts: Parts = {
      codes: [`${stem}.${endings.codes}`, codes],
      scales,
      zeros: part(endings.zeros),
      groups: part(endings.groups),
    };
    tensors.set(`${stem}.weight`, {
      ...codes,
      dtype: `${packing.layout === "rows" ? "INT" : packing.layout.toUpperCase()}${packing.bits}`,
      shape,
      packed: integers(parts, shape, packing),
    });
  }
}

/** Gives each weight of 8-bit integers its scales: one for all or one for each row. */
export function packBytes(tensors: Map<string, PlacedTensor>): void {
  for (const [stem, codes] of endingWith(tensors, ".weight")) {
    const name = `${stem}.weight_scale`;
    const scales = tensors.get(name);
    if (codes.dtype !== "I8" || codes.shape.length !== 2 || !scales) continue;
    const [rows, inputs] = codes.shape;
    const count = scales.shape.reduce((a, b) => a * b, 1);
    if (count !== 1 && (count !== rows || scales.shape[0] !== rows)) {
      const why = `it is I8 [${codes.shape}], and its scales ${name} are [${scales.shape}]`;
      tensors.set(`${stem}.weight`, { ...codes, unpacked: why });
      continue;
    }
    const open = async (read: ReadBytes): Promise<PackedRows> => {
      const factors = await readScales(read, scales, name);
      return rowsOf({
        inputs,
        groups: 1,
        scale: (row) => factors[count === 1 ? 0 : row],
        zero: () => MIDDLE_Q8,
        async codes(firstRow, some) {
          const bytes = await read(codes, firstRow * inputs, some * inputs);
          for (let i = 0; i < bytes.length; i++) bytes[i] ^= MIDDLE_Q8;
          return bytes;
        },
      }, 8);
    };
    tensors.set(`${stem}.weight`, {
      ...codes,
      packed: {
        exact: (format) => format === "q8" ? blockWithin(inputs, inputs) : undefined,
        open,
      },
    });
  }
}

/** The largest block of ours that divides a group of inputs; undefined: none does. */
function blockWithin(group: number, inputs: number): Block | undefined {
  const block = dividingBlock(group, 128);
  return group % block === 0 || group === inputs ? block : undefined;
}

/** How a matrix [out, in] of packed integers is read. */
function integers(parts: Parts, [outputs, inputs]: number[], packing: Integers): PackedTensor {
  const { layout, bits, symmetric, indexed } = packing;
  const [, scales] = parts.scales;
  // GPTQ and AWQ hold scales [groups, out], compressed-tensors [out, groups].
  const groups = layout === "rows" ? scales.shape[1] : scales.shape[0];
  const each = inputs / groups;
  return {
    exact(format) {
      const fits = bits === 4 || symmetric && format === "q8";
      return fits && !indexed ? blockWithin(each, inputs) : undefined;
    },
    async open(read, name) {
      const [codesName, codes] = parts.codes;
      if (!Number.isInteger(each) || each < 1) {
        const why = `${groups} groups of its scales do not share ${inputs} inputs`;
        throw packedError(codes, codesName, why);
      }
      checkPart(scales, parts.scales[0], {
        dtype: scales.dtype,
        shape: layout === "rows" ? [outputs, groups] : [groups, outputs],
      });
      const factors = await readScales(read, scales, parts.scales[0]);
      const zeros = await readZeros(read, parts, { outputs, groups, packing });
      const at = layout === "rows"
        ? (row: number, group: number) => row * groups + group
        : (row: number, group: number) => group * outputs + row;
      return rowsOf({
        inputs,
        groups,
        scale: (row, group) => factors[at(row, group)],
        zero: zeros ? (row, group) => zeros[at(row, group)] : () => 1 << (bits - 1),
        groupOf: await readGroups(read, parts, { inputs, groups, indexed, name }),
        codes: await openCodes(read, codes, { outputs, inputs, packing }),
      }, bits);
    },
  };
}

/** Codes of packed words: u8, `count` of them, `bits` each, in this order within a word. */
function unpackWords(bytes: Uint8Array, bits: 4 | 8, order: readonly number[]): Uint8Array {
  if (bits === 8) return bytes;
  const codes = new Uint8Array(bytes.length * 2);
  for (let word = 0; word < codes.length; word += 8) {
    for (let i = 0; i < 8; i++) {
      codes[word + order[i]] = bytes[(word + i) >> 1] >> (4 * (i & 1)) & 15;
    }
  }
  return codes;
}

/**
 * Unpacks words that each hold codes of neighbouring rows, [rows / codes of a word, columns], into
 * u8 [rows, columns].
 */
function unpackRows(bytes: Uint8Array, bits: 4 | 8, columns: number): Uint8Array {
  const perWord = WORD_BITS / bits, mask = (1 << bits) - 1;
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  const codes = new Uint8Array(words.length * perWord);
  for (let i = 0; i < words.length; i++) {
    const column = i % columns, row = (i - column) / columns * perWord;
    for (let k = 0; k < perWord; k++) {
      codes[(row + k) * columns + column] = words[i] >>> (k * bits) & mask;
    }
  }
  return codes;
}

/** Reads codes of rows; those of matrices stored [in, out] are read once for all rows. */
async function openCodes(
  read: ReadBytes,
  tensor: PlacedTensor,
  { outputs, inputs, packing: { layout, bits } }: {
    outputs: number;
    inputs: number;
    packing: Integers;
  },
): Promise<Coded["codes"]> {
  if (layout === "rows") {
    const rowBytes = inputs * bits / 8;
    return async (firstRow, rows) =>
      unpackWords(await read(tensor, firstRow * rowBytes, rows * rowBytes), bits, IN_ORDER);
  }
  const bytes = await read(tensor, 0, tensor.bytes);
  const stored = layout === "gptq"
    ? unpackRows(bytes, bits, outputs)
    : unpackWords(bytes, bits, AWQ_ORDER);
  return (firstRow, rows) => {
    const codes = new Uint8Array(rows * inputs);
    for (let input = 0; input < inputs; input++) {
      const from = input * outputs + firstRow;
      for (let row = 0; row < rows; row++) codes[row * inputs + input] = stored[from + row];
    }
    return Promise.resolve(codes);
  };
}

/**
 * Zero points, in the order of the scales; undefined: all are the middle code. Throws
 * `packed_tensor` where they are said to be and are not.
 */
async function readZeros(
  read: ReadBytes,
  { zeros, codes }: Parts,
  { outputs, groups, packing }: { outputs: number; groups: number; packing: Integers },
): Promise<Uint8Array | undefined> {
  const { layout, bits, symmetric, zeroOffset } = packing;
  if (!zeros) {
    if (symmetric) return undefined;
    throw packedError(
      codes[1],
      codes[0],
      `no ${ENDINGS[layout].zeros}, which its config calls for`,
    );
  }
  const [name, tensor] = zeros;
  const perWord = WORD_BITS / bits;
  const words = Math.ceil(outputs / perWord);
  const shape = layout === "rows" ? [words, groups] : [groups, words];
  checkPart(tensor, name, { dtype: "I32", shape });
  const bytes = await read(tensor, 0, tensor.bytes);
  const found = layout === "rows"
    ? unpackRows(bytes, bits, groups)
    : unpackWords(bytes, bits, layout === "awq" ? AWQ_ORDER : IN_ORDER);
  const stored = layout === "rows"
    ? found.subarray(0, outputs * groups)
    : withoutPadding(found, words * perWord, outputs);
  const most = (1 << bits) - 1;
  // A stored code of all ones plus one is the code 0, as in a word that overflows.
  const points = Uint8Array.from(stored, (zero) => (zero + zeroOffset) & most);
  if (symmetric && points.some((zero) => zero !== 1 << (bits - 1))) {
    throw packedError(
      tensor,
      name,
      "a zero point is not the middle code, though config.json says so",
    );
  }
  return points;
}

/** The first `count` of each `width` elements. */
function withoutPadding(codes: Uint8Array, width: number, count: number): Uint8Array {
  if (width === count) return codes;
  const rows = codes.length / width;
  const kept = new Uint8Array(rows * count);
  for (let row = 0; row < rows; row++) {
    kept.set(codes.subarray(row * width, row * width + count), row * count);
  }
  return kept;
}

/** Group of each input, where they are not neighbours. */
async function readGroups(
  read: ReadBytes,
  { groups: part }: Parts,
  { inputs, groups, indexed, name }: {
    inputs: number;
    groups: number;
    indexed: boolean;
    name: string;
  },
): Promise<Int32Array | undefined> {
  if (!part) return undefined;
  const [partName, tensor] = part;
  checkPart(tensor, partName, { dtype: "I32", shape: [inputs] });
  const bytes = await read(tensor, 0, tensor.bytes);
  const groupOf = new Int32Array(bytes.buffer, bytes.byteOffset, inputs);
  const bad = groupOf.findIndex((group) => group < 0 || group >= groups);
  if (bad >= 0) {
    const why = `input ${bad} of ${name} is in group ${groupOf[bad]} of ${groups}`;
    throw packedError(tensor, partName, why);
  }
  const each = inputs / groups;
  if (indexed) return groupOf;
  if (groupOf.some((group, input) => group !== Math.floor(input / each))) {
    const why = "groups are not neighbours, though config.json says so (desc_act, actorder)";
    throw packedError(tensor, partName, why);
  }
  return undefined;
}

/** Rows of a coded matrix, as values and in our layouts. */
function rowsOf(matrix: Coded, bits: 4 | 8): PackedRows {
  const { inputs, groups, groupOf } = matrix;
  const each = inputs / groups;
  return {
    async values(firstRow, rows) {
      const codes = await matrix.codes(firstRow, rows);
      const values = new Float32Array(rows * inputs);
      const scales = new Float32Array(groups), zeros = new Uint8Array(groups);
      for (let row = 0, at = 0; row < rows; row++) {
        for (let group = 0; group < groups; group++) {
          scales[group] = matrix.scale(firstRow + row, group);
          zeros[group] = matrix.zero(firstRow + row, group);
        }
        for (let input = 0; input < inputs; input++, at++) {
          const group = groupOf ? groupOf[input] : Math.floor(input / each);
          values[at] = (codes[at] - zeros[group]) * scales[group];
        }
      }
      return values;
    },
    async codes(format, firstRow, rows) {
      const codes = await matrix.codes(firstRow, rows);
      const block = blockWithin(each, inputs)!;
      const spread = { codes, firstRow, rows, block };
      return format === "q4" ? asQ4(matrix, spread) : asQ8(matrix, spread, bits);
    },
  };
}

/** Codes of some rows, which become blocks of this size. */
interface SpreadCodes {
  codes: Uint8Array;
  firstRow: number;
  rows: number;
  block: Block;
}

/** Scales of the blocks of some rows, f32 [rows, blocks]; blocks of a group have equal ones. */
function spreadScales({ inputs, groups, scale }: Coded, { firstRow, rows, block }: SpreadCodes) {
  const blocks = blocksOf(inputs, block);
  return Float32Array.from(
    { length: rows * blocks },
    (_, i) =>
      scale(firstRow + Math.floor(i / blocks), groupAt(i % blocks, { inputs, groups, block })),
  );
}

/** Group of a block. */
const groupAt = (
  block: number,
  { inputs, groups, block: size }: { inputs: number; groups: number; block: Block },
): number => Math.min(groups - 1, Math.floor(block * size * groups / inputs));

function asQ4(matrix: Coded, spread: SpreadCodes): PackedCodes {
  const { inputs, groups, zero } = matrix;
  const { codes, firstRow, rows, block } = spread;
  const blocks = blocksOf(inputs, block);
  const packed = new Uint8Array(rows * blocks * block / 2);
  const zeros = new Uint8Array(rows * Math.ceil(blocks / 2));
  for (let row = 0; row < rows; row++) {
    const from = row * inputs, to = row * blocks * block;
    for (let n = 0; n < blocks; n++) {
      const point = zero(firstRow + row, groupAt(n, { inputs, groups, block }));
      zeros[row * Math.ceil(blocks / 2) + (n >> 1)] |= point << (4 * (n & 1));
      for (let i = n * block; i < (n + 1) * block; i++) {
        // What pads the last block is worth 0.
        packed[(to + i) >> 1] |= (i < inputs ? codes[from + i] : point) << (4 * (i & 1));
      }
    }
    // The half byte behind an odd number of blocks is as in tensors that we quantise.
    if (blocks % 2) zeros[(row + 1) * Math.ceil(blocks / 2) - 1] |= 8 << 4;
  }
  const symmetric = zeros.every((pair) => pair === 0x88);
  return { codes: packed, scales: spreadScales(matrix, spread), ...(!symmetric && { zeros }) };
}

function asQ8(matrix: Coded, spread: SpreadCodes, bits: 4 | 8): PackedCodes {
  const { inputs, groups, zero } = matrix;
  const { codes, firstRow, rows, block } = spread;
  const blocks = blocksOf(inputs, block);
  const bytes = new Uint8Array(rows * blocks * block).fill(MIDDLE_Q8);
  for (let row = 0; row < rows; row++) {
    const from = row * inputs, to = row * blocks * block;
    for (let n = 0; n < blocks; n++) {
      const group = groupAt(n, { inputs, groups, block });
      const shift = MIDDLE_Q8 - (bits === 8 ? MIDDLE_Q8 : zero(firstRow + row, group));
      const end = Math.min(inputs, (n + 1) * block);
      for (let i = n * block; i < end; i++) bytes[to + i] = codes[from + i] + shift;
    }
  }
  return { codes: bytes, scales: spreadScales(matrix, spread) };
}
