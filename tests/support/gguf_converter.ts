/**
 * Writes fixtures of checkpoints as GGUF files, as llama.cpp's converter does: names of gguf-py
 * (`fixtures/gguf/names.json`), and per family what the converter does to tensors and metadata.
 *
 * @module
 */
import assert from "node:assert/strict";
import { copyFile, mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { Checkpoint } from "../../models/sources/mod.ts";
import { FIXTURE_DIR } from "./architecture_fixtures.ts";
import {
  encodeGguf,
  type GgufEntry,
  type GgufField,
  ggufMetadata,
  ggufTokenizerFields,
  ggufU32,
  ggufValues,
  type GgufWriteType,
  permuteHeads,
} from "./gguf_writer.ts";
import { trimTokenizer, writeTinyCheckpoint } from "./tiny_checkpoint.ts";

/** For each fixture the architecture, and gguf-py's names of its tensors. */
export const NAMES: Record<string, { arch: string; names: Record<string, string> }> = JSON.parse(
  await Deno.readTextFile(new URL("../fixtures/gguf/names.json", import.meta.url)),
);

/** A tensor: f32, row-major. */
export type Values = { shape: number[]; values: Float32Array };
/** The contents of config.json. */
export type Config = Record<string, unknown>;

/** What the converter writes, and how it changes tensors. */
export interface Conversion {
  /** Folder of the checkpoint. @default the family's name here */
  fixture?: string;
  /** Tensors of a layer that the converter finds below each other in one. */
  fused?: Record<string, string[]>;
  permuted?: true;
  gainOffset?: number;
  /** Metadata beside those of all families, without the architecture before the key. */
  extra?: (config: Config) => Record<string, GgufField>;
  /** What of the fixture's config.json a GGUF file says in other words or not at all. */
  config?: Config;
  /** A tensor of the checkpoint as others, by name there or in the file. @default as it is */
  changed?: (name: string, tensor: Values, config: Config) => [name: string, Values][];
}

/** The same fields of metadata, each a number of config.json. */
export const fieldsOf =
  (keys: Record<string, string>, kind = ggufU32) => (config: Config): Record<string, GgufField> =>
    Object.fromEntries(Object.entries(keys).map(([key, field]) => [key, kind(config[field])]));

/** All tensors of a checkpoint. */
async function readAll(folder: string): Promise<Map<string, Values>> {
  const all = new Map<string, Values>();
  await using source = await Checkpoint.open(folder, { packing: { kind: "mxfp4" } });
  for (const [stored, { shape: dims }] of source.tensors) {
    if (stored.endsWith("_scales")) continue;
    const blocks = stored.endsWith("_blocks"); // of MXFP4: [.., blocks, 16] codes of 4 bits
    const name = stored.replace(/_blocks$/, "");
    const shape = blocks ? [...dims.slice(0, -2), dims.at(-2)! * 32] : dims;
    const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
    const width = shape.length === 1 ? 1 : shape.at(-1)!;
    for await (const piece of source.read(name, shape)) {
      values.set(piece.values, piece.firstRow * width);
    }
    all.set(name, { shape, values });
  }
  return all;
}

/** Rows `from`, `from + step`, ... of a matrix [.., rows, width], or elements of vectors. */
function everyRow({ shape, values }: Values, from: number, step: number, width: number): Values {
  const rows: number[] = [];
  for (let row = from; row * width < values.length; row += step) {
    for (let i = 0; i < width; i++) rows.push(values[row * width + i]);
  }
  const at = width === 1 ? shape.length - 1 : shape.length - 2;
  return { shape: shape.map((n, i) => i === at ? n / step : n), values: Float32Array.from(rows) };
}

/** The first or the second half of the rows of each matrix [.., rows, width]. */
function halfOf({ shape, values }: Values, half: 0 | 1): Values {
  const [rows, width] = shape.slice(-2);
  const part: number[] = [];
  for (let start = 0; start < values.length; start += rows * width) {
    const first = start + half * rows / 2 * width;
    part.push(...values.subarray(first, first + rows / 2 * width));
  }
  return { shape: [...shape.slice(0, -2), rows / 2, width], values: Float32Array.from(part) };
}

/** The tensors as the converter has them before it names them. */
function* asConverted(tensors: Map<string, Values>): Generator<[name: string, Values]> {
  const stacked = new Map<string, Values[]>();
  const experts = [...tensors.keys()].some((name) => name.includes("block_sparse_moe"));
  for (const [name, tensor] of tensors) {
    const [, before, number, after] = /^(.*experts\.)(\d+)\.(.*)$/.exec(name) ?? [];
    if (number !== undefined) {
      const all = stacked.get(before + after) ?? [];
      all[Number(number)] = tensor;
      stacked.set(before + after, all);
      continue;
    }
    const [, layer] = /^model\.layers\.(\d+)\./.exec(name) ?? [];
    const split = (gate: string, up: string, part: (half: 0 | 1) => Values) =>
      [[`blk.${layer}.${gate}`, part(0)], [`blk.${layer}.${up}`, part(1)]] as [string, Values][];
    if (name.endsWith("block_sparse_moe.input_linear.weight")) {
      const [gate, up] = ["ffn_gate_exps.weight", "ffn_up_exps.weight"];
      yield* split(gate, up, (half) => halfOf(tensor, half));
    } else if (name.endsWith("shared_mlp.input_linear.weight")) {
      const kind = experts ? "_shexp.weight" : ".weight";
      yield* split(`ffn_gate${kind}`, `ffn_up${kind}`, (half) => halfOf(tensor, half));
    } else if (name.endsWith("shared_mlp.output_linear.weight") && !experts) {
      yield [`blk.${layer}.ffn_down.weight`, tensor];
    } else if (name.endsWith("experts.gate_up_proj")) {
      const width = tensor.shape.at(-1)!;
      const [gate, up] = ["ffn_gate_exps.weight", "ffn_up_exps.weight"];
      yield* split(gate, up, (half) => everyRow(tensor, half, 2, width));
    } else if (name.endsWith("experts.gate_up_proj_bias")) {
      const [gate, up] = ["ffn_gate_exps.bias", "ffn_up_exps.bias"];
      yield* split(gate, up, (half) => everyRow(tensor, half, 2, 1));
    } else if (name.endsWith("experts.down_proj")) {
      yield [`blk.${layer}.ffn_down_exps.weight`, tensor];
    } else if (name.endsWith("experts.down_proj_bias")) {
      yield [`blk.${layer}.ffn_down_exps.bias`, tensor];
    } else yield [name, tensor];
  }
  for (const [name, all] of stacked) {
    yield [name, {
      shape: [all.length, ...all[0].shape],
      values: Float32Array.from(all.flatMap(({ values }) => [...values])),
    }];
  }
}

/** The name that gguf-py gives a tensor. */
function nameIn(names: Record<string, string>, name: string): string {
  if (/^(blk|output|rope_factors_\w+)\./.test(name)) return name;
  const [, number = ""] = /\.(\d+)\./.exec(name) ?? [];
  const asked = name
    .replace(/\.\d+\./, ".#.")
    .replace(/e_score_correction_bias$/, "e_score_correction.bias")
    .replace(/expert_bias$/, "expert_bias.bias");
  const given = names[asked];
  assert.ok(given, `gguf-py has no name for ${name}`);
  return given.replace("#", number);
}

/** Puts the tensors of each layer that lie in one below each other. */
function fuse(entries: GgufEntry[], fused: Record<string, string[]>): GgufEntry[] {
  const left = new Map(entries.map((entry) => [entry.name, entry]));
  for (const { name } of entries) {
    const [, layer, rest] = /^(blk\.\d+\.)(.*)$/.exec(name) ?? [];
    for (const [whole, parts] of Object.entries(fused)) {
      if (rest !== parts[0]) continue;
      const found = parts.map((part) => left.get(layer + part)!);
      const rows = found.reduce((sum, { shape }) => sum + shape[0], 0);
      const data = new Uint8Array(found.flatMap((part) => [...part.data]));
      const shape = [rows, ...found[0].shape.slice(1)];
      left.set(layer + whole, { ...found[0], name: layer + whole, shape, data });
      for (const part of found) left.delete(part.name);
    }
  }
  return [...left.values()];
}

/** Share of a head that is rotated where config.json does not say. */
const ROTATED: Record<string, number> = {
  chatglm: 0.5,
  glm4: 0.5,
  glm4moe: 0.5,
  stablelm: 0.25,
  nemotron: 0.5,
  phi2: 0.5,
};

/** Tensors of which the converter drops the dimension of one. */
const SQUEEZED = /conv|ffn_gate_inp_shexp/;

/** The fixture's folder with a tokenizer, and the same as a GGUF file. */
export async function writeFixtureAsGguf(
  dir: string,
  fixture: string,
  { fused = {}, permuted, gainOffset = 0, extra, config: changes, changed }: Conversion,
): Promise<{
  folder: string;
  file: string;
  metadata: Record<string, GgufField>;
  entries: GgufEntry[];
}> {
  const { arch, names } = NAMES[fixture];
  const folder = join(dir, fixture);
  await mkdir(folder);
  for (const file of await readdir(join(FIXTURE_DIR, fixture))) {
    await copyFile(join(FIXTURE_DIR, fixture, file), join(folder, file));
  }
  const path = join(folder, "config.json");
  const config = { ...JSON.parse(await Deno.readTextFile(path)), ...changes };
  await Deno.writeTextFile(path, JSON.stringify(config));
  const texts = await writeTinyCheckpoint(join(dir, "texts"), { layers: 1 });
  await trimTokenizer(texts.dir, config.vocab_size);
  await copyFile(join(texts.dir, "tokenizer.json"), join(folder, "tokenizer.json"));

  const head = config.head_dim ?? config.hidden_size / config.num_attention_heads;
  let tensors = await readAll(folder);
  if (changed) {
    tensors = new Map([...tensors].flatMap(([name, tensor]) => changed(name, tensor, config)));
  }
  const entries: GgufEntry[] = [];
  for (const [name, { shape, values }] of asConverted(tensors)) {
    const gguf = nameIn(names, name);
    let written = /(?<!\.ssm_)norm\.weight$/.test(gguf)
      ? values.map((x) => x + gainOffset)
      : values;
    if (permuted && /attn_[qk]\./.test(gguf)) written = permuteHeads(values, shape[0], head);
    entries.push({
      name: gguf,
      type: "F32",
      shape: SQUEEZED.test(gguf) ? shape.filter((n) => n !== 1) : shape,
      data: ggufValues(written, "F32"),
    });
  }
  const rope = config.rope_parameters ?? {};
  const common = ggufMetadata(arch, {
    ...config,
    rope_theta: rope.rope_theta ?? config.rope_theta ?? 10000,
    partial_rotary_factor: rope.partial_rotary_factor ?? config.partial_rotary_factor ??
      ROTATED[arch] ?? 1,
  });
  const own = Object.entries(extra?.(config) ?? {})
    .map(([key, value]) => [`${arch}.${key}`, value]);
  const file = join(dir, `${fixture}.gguf`);
  const tokens = await ggufTokenizerFields(texts.dir);
  const metadata = { ...common, ...Object.fromEntries(own), ...tokens };
  const all = fuse(entries, fused);
  await Deno.writeFile(file, encodeGguf(metadata, all));
  return { folder, file, metadata, entries: all };
}

/**
 * The matrices whose rows are whole blocks in this type, and the same entries in F32 with the values
 * that are left.
 */
export function quantisedEntries(
  entries: GgufEntry[],
  type: GgufWriteType,
): { quantised: GgufEntry[]; rounded: GgufEntry[] } {
  const both = entries.map((entry) => {
    if (entry.shape.length < 2 || entry.shape.at(-1)! % 32 !== 0 || /norm/.test(entry.name)) {
      return [entry, entry];
    }
    const values = new Float32Array(entry.data.slice().buffer);
    const data = ggufValues(values, type);
    return [{ ...entry, type, data }, { ...entry, data: ggufValues(values, "F32") }];
  });
  return { quantised: both.map(([one]) => one), rounded: both.map(([, other]) => other) };
}

/** Numbers to 6 digits, since metadata are f32, and a scaling without its type's other name. */
export function roundedGeometry(geometry: unknown): unknown {
  return JSON.parse(JSON.stringify(geometry, (key, value) => {
    if (key === "scaling" && value) {
      const { type, rope_theta: _theta, ...scaling } = value;
      return Object.fromEntries(Object.entries({ rope_type: type, ...scaling }).sort());
    }
    return typeof value === "number" ? Number(value.toPrecision(6)) : value;
  }));
}
