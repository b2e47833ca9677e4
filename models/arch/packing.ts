/**
 * How the weights of a quantised checkpoint are packed, from `quantization_config` of config.json.
 *
 * @module
 */
import { z } from "zod";

/** How the weights of a quantised checkpoint are packed. What is not packed is F32, F16 or BF16. */
export type Packing =
  /** Experts in blocks of 32 values (gpt-oss). */
  | { kind: "mxfp4" }
  /**
   * 8-bit floats (e4m3) with a scale for each tensor, row, or block of this many rows and columns.
   */
  | { kind: "float8"; block?: readonly [rows: number, columns: number] }
  /**
   * MLX: codes of 2 to 8 bits with a scale and a bias for each group of so many inputs; `groups` has
   * those of the matrices, by name, that have another one.
   */
  | { kind: "affine"; group: number; groups: Readonly<Record<string, number>> }
  /** 8-bit integers, one a byte, with a scale for each tensor or row. */
  | { kind: "bytes" }
  /**
   * Integers of 4 or 8 bits, several in a word of 32, with a scale and a zero point for each group of
   * inputs. `gptq` and `awq` hold [in, out], `rows` (compressed-tensors) holds [out, in].
   */
  | {
    kind: "integers";
    layout: "gptq" | "awq" | "rows";
    bits: 4 | 8;
    /** All zero points are the middle code, 2^(bits - 1). */
    symmetric: boolean;
    /** What is added to a stored zero point: the first version of GPTQ stores one less. */
    zeroOffset: 0 | 1;
    /** A tensor tells which group an input belongs to; false: groups are neighbours. */
    indexed: boolean;
  };

/** What is supported, for messages. */
const PACKINGS =
  "gptq and awq of 4 bits, gptq of 8, fp8, and compressed-tensors with formats pack-quantized, " +
  "int-quantized and float-quantized, and MLX's affine one";

const bits = z.union([z.literal(4), z.literal(8)]);

const fp8 = z.object({
  quant_method: z.enum(["fp8", "fbgemm_fp8"]),
  weight_block_size: z.tuple([z.number().int().positive(), z.number().int().positive()]).nullish(),
}).transform(({ weight_block_size: block }): Packing => ({
  kind: "float8",
  ...(block && { block }),
}));

const modelopt = z.object({
  quant_method: z.literal("modelopt"),
  quant_algo: z.literal("FP8"),
}).transform((): Packing => ({ kind: "float8" }));

const gptq = z.object({
  quant_method: z.literal("gptq"),
  bits,
  sym: z.boolean().default(true),
  desc_act: z.boolean().default(false),
  checkpoint_format: z.enum(["gptq", "gptq_v2"]).default("gptq"),
}).transform(({ bits, sym, desc_act, checkpoint_format }): Packing => ({
  kind: "integers",
  layout: "gptq",
  bits,
  symmetric: sym,
  zeroOffset: checkpoint_format === "gptq" ? 1 : 0,
  indexed: desc_act,
}));

const awq = z.object({
  quant_method: z.literal("awq"),
  bits: z.literal(4),
  version: z.literal("gemm").default("gemm"),
  zero_point: z.literal(true).default(true),
}).transform((): Packing => ({
  kind: "integers",
  layout: "awq",
  bits: 4,
  symmetric: false,
  zeroOffset: 0,
  indexed: false,
}));

const compressedWeights = z.object({
  num_bits: bits,
  type: z.enum(["int", "float"]),
  symmetric: z.boolean().default(true),
  actorder: z.string().nullish(),
  strategy: z.enum(["tensor", "channel", "group", "block"]).nullish(),
  block_structure: z.tuple([z.number().int().positive(), z.number().int().positive()]).nullish(),
});

const compressed = z.object({
  quant_method: z.literal("compressed-tensors"),
  format: z.enum(["pack-quantized", "int-quantized", "float-quantized", "naive-quantized"]),
  config_groups: z.record(z.string(), z.object({ weights: compressedWeights })),
  sparsity_config: z.object({ format: z.literal("dense").optional() }).nullish(),
}).transform(({ format, config_groups }, ctx): Packing => {
  const groups = Object.values(config_groups).map(({ weights }) => weights);
  const [first] = groups;
  const mixed = (field: "num_bits" | "type" | "symmetric") =>
    groups.some((group) => group[field] !== first[field]);
  if (!first || mixed("num_bits") || mixed("type") || mixed("symmetric")) {
    ctx.addIssue({ code: "custom", path: ["config_groups"], message: "no groups, or unlike ones" });
    return z.NEVER;
  }
  if (format === "pack-quantized" && first.type === "int") {
    const { num_bits: bits, symmetric } = first;
    const indexed = groups.some(({ actorder }) => actorder === "group");
    return { kind: "integers", layout: "rows", bits, symmetric, zeroOffset: 0, indexed };
  }
  if (format !== "pack-quantized" && first.num_bits === 8) {
    if (first.type === "int" && first.symmetric) return { kind: "bytes" };
    const { block_structure: block } = first;
    if (first.type === "float") return { kind: "float8", ...(block && { block }) };
  }
  const { num_bits, type, symmetric } = first;
  const words = `${symmetric ? "" : "asymmetric "}${type} of ${num_bits} bits`;
  ctx.addIssue({ code: "custom", path: ["format"], message: `${format} with ${words}` });
  return z.NEVER;
});

const mxfp4 = z.object({ quant_method: z.literal("mxfp4") })
  .transform((): Packing => ({ kind: "mxfp4" }));

/** MLX names no method. */
const affine = z.looseObject({
  bits: z.number().int().min(2).max(8),
  group_size: z.number().int().positive(),
  mode: z.literal("affine").default("affine"),
}).transform(({ group_size, ...others }): Packing => ({
  kind: "affine",
  group: group_size,
  groups: Object.fromEntries(
    Object.entries(others).flatMap(([name, own]) => {
      const group = (own as { group_size?: unknown } | null)?.group_size;
      return typeof group === "number" && group > 0 ? [[name, group]] : [];
    }),
  ),
}));

const METHODS: Record<string, z.ZodType<Packing>> = {
  fp8,
  fbgemm_fp8: fp8,
  modelopt,
  gptq,
  awq,
  "compressed-tensors": compressed,
  mxfp4,
  affine,
};

/** Kinds that a family's checkpoints may have where it does not say so. */
const USUAL: readonly Packing["kind"][] = ["float8", "bytes", "integers", "affine"];

/**
 * Reads `quantization_config`; `kinds` are those that the family's checkpoints may have. Returns
 * text, which says what is not supported, where it cannot be read.
 */
export function packingOf(
  quantization: Readonly<Record<string, unknown>>,
  kinds: readonly Packing["kind"][] = USUAL,
): Packing | string {
  const isMlx = !Object.hasOwn(quantization, "quant_method") &&
    Object.hasOwn(quantization, "group_size");
  const method = isMlx ? "affine" : String(quantization["quant_method"] ?? "unknown");
  const supported = `(supported: ${kinds === USUAL ? PACKINGS : kinds.join(", ")})`;
  const schema = Object.hasOwn(METHODS, method) ? METHODS[method] : undefined;
  const parsed = schema?.safeParse(quantization);
  if (parsed?.success && kinds.includes(parsed.data.kind)) return parsed.data;
  const issue = parsed?.error?.issues[0];
  if (!issue || kinds !== USUAL) return `quantization_config ${method} ${supported}`;
  const value = issue.path.reduce<unknown>(
    (at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key],
    quantization,
  );
  const stated = typeof value === "object" ? "" : ` ${JSON.stringify(value)}`;
  const field = `${issue.path.join(".")}${stated}`;
  return `quantization_config ${method} with ${field}: ${issue.message} ${supported}`;
}

/** The least precision that loses little of what such a checkpoint holds. */
export function precisionOf(packing: Packing | undefined): "q4" | "q8" {
  switch (packing?.kind) {
    case "float8":
    case "bytes":
    case "affine":
      return "q8";
    case "integers":
      return packing.bits === 8 || packing.indexed ? "q8" : "q4";
    default:
      return "q4";
  }
}
