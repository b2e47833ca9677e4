/**
 * The model store's manifest: what a converted model consists of.
 *
 * A model lies in `<data>/models/<name>/manifest.json` beside its tokenizer files. Its weights are
 * content-addressed blobs in `<data>/blobs/<sha256>`: one for the embedding, one for each layer,
 * one for the final norm, one for each of the 8 parts of the LM head. The ONNX graph of a stage refers to such blobs as external data,
 * so another split of the layers needs no new conversion.
 *
 * @module
 */
import { z } from "zod";
import { HEAD_PARTS } from "./head_parts.ts";

/**
 * Layouts of a tensor. `q4`: MatMulNBits, 4 bits, symmetric or asymmetric block by block. `q8`: 8
 * bits, symmetric.
 */
export const TENSOR_FORMATS = ["q4", "q8", "f16", "f32"] as const;

/** See {@linkcode TENSOR_FORMATS}. */
export type TensorFormat = typeof TENSOR_FORMATS[number];

/**
 * Precisions of a model: the layout of its projections. `q4m` is a mix of q4 and q8, see
 * {@linkcode formatFor}.
 */
export const PRECISIONS = ["q4", "q4m", "q8", "f16", "f32"] as const;

/** See {@linkcode PRECISIONS}. */
export type Precision = typeof PRECISIONS[number];

/**
 * What a `q4m` model has in q8: keys and values, and the projections that write into the residual
 * stream. Two thirds of what q4 costs and more come from them, at a third of the bytes
 * (docs/performance.md).
 */
const RAISED = /^(attn\.([kvo]|kv_a|[kv]_b)|mlp\.(\w+\.)?down|(conv|state)\.out)$/;

/** What a `q4` model has in q8 too, where several heads share keys and values: then it is small. */
const SHARED = /^attn\.(k|v|kv_a)$/;

/**
 * The layout of a projection [outputs, inputs] of a model at this precision; `key` is its name in
 * the group of its layer.
 */
export function formatFor(key: string, shape: number[], precision: Precision): TensorFormat {
  if (precision === "q4m") return RAISED.test(key) ? "q8" : "q4";
  if (precision !== "q4") return precision;
  return SHARED.test(key) && 2 * shape[0] <= shape[1] ? "q8" : "q4";
}

/** The layout that embedding and LM head have where nobody asks for another one. */
export const endFormatFor = (precision: Precision): TensorFormat =>
  precision === "q4" || precision === "q4m" ? "q8" : precision;

/**
 * A schema that refuses unknown fields: a field that this version ignores could change what the
 * model computes.
 */
const exactly = <Shape extends z.ZodRawShape>(shape: Shape) =>
  z.strictObject(shape, {
    error: (issue) =>
      issue.code === "unrecognized_keys"
        ? `this version of Orrery does not know ${
          (issue.keys as string[]).join(", ")
        }; update this node`
        : undefined,
  });

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const count = z.number().int().positive();

const part = z.object({ offset: z.number().int().nonnegative(), bytes: count });

/** Inputs that share a scale in a quantised tensor whose entry does not say otherwise. */
export const BLOCK = 32;

/** Inputs that may share a scale: powers of two that the operators take. */
export const BLOCKS = [16, 32, 64, 128, 256] as const;

/**
 * Where a tensor's bytes lie in its group's blob. Offsets are in bytes, multiples of 64; those of
 * parts over 4 KiB are multiples of 4096, so that they can be memory-mapped.
 */
export const tensorEntrySchema = exactly({
  /**
   * Logical shape in Hugging Face orientation, e.g. [out, in] for a projection, [vocab, hidden] for
   * an embedding, [experts * out, in] for a projection of all experts of a layer.
   */
  shape: z.array(count).min(1).max(2),
  /**
   * How `data` is laid out:
   * - `f32`, `f16`: row-major elements. Projections are stored transposed, [in, out], ready for
   *   `MatMul`; embeddings, LM head, experts and norms as `shape` says.
   * - `q4`: u8 [out, in/B, B/2], low nibble first, value = (nibble - zero) * scale; `q8`: u8 [out,
   *   in/B, B], value = (byte - 128) * scale. `scales`: f32 [out, in/B]. B is `block`. (The layouts
   *   of com.microsoft.MatMulNBits; an embedding uses the same with out = vocab, in = hidden.) `in`
   *   is padded with zeros to a multiple of B by the converter.
   */
  format: z.enum(TENSOR_FORMATS),
  /** Inputs that share a scale in a `q4` or `q8` tensor. @default 32 */
  block: z.literal(BLOCKS).optional(),
  data: part,
  scales: part.optional(),
  /**
   * Zero points of a `q4` tensor with asymmetric blocks: u8 [out, ceil(in/B / 2)], low nibble
   * first. Left out: all are 8.
   */
  zeros: part.optional(),
});

/** See {@linkcode tensorEntrySchema}. */
export type TensorEntry = z.infer<typeof tensorEntrySchema>;

/** Inputs that share a scale, see {@linkcode tensorEntrySchema}. */
export type Block = typeof BLOCKS[number];

/**
 * A blob and the tensors in it, by their short name within the group, e.g. `attn.q` (see
 * `models/arch/`).
 */
export const groupSchema = z.object({
  sha256,
  bytes: count,
  tensors: z.record(z.string(), tensorEntrySchema),
});

/** See {@linkcode groupSchema}. */
export type Group = z.infer<typeof groupSchema>;

const layerNumbers = z.array(z.number().int().nonnegative());
const rotation = {
  /** Base of the frequencies. */
  theta: z.number().positive(),
  /**
   * Hugging Face's `rope_scaling`, completed with the values that it takes from other fields of
   * config.json; null: no scaling.
   */
  scaling: z.record(z.string(), z.unknown()).nullable(),
};

/**
 * The geometry to which every architecture is reduced: all that the graph builder and the planner
 * read. An optional field says where a model differs from Llama. Unknown fields are refused.
 */
export const geometrySchema = exactly({
  /** Hugging Face class, e.g. `LlamaForCausalLM`. */
  architecture: z.string(),
  layers: count,
  /** Width of the residual stream. */
  hidden: count,
  /** Width inside the MLP. */
  intermediate: count,
  heads: count,
  kv_heads: count,
  head_dim: count,
  /** Rows of the embedding and of the LM head. */
  vocab: count,
  /** Longest context in rows. */
  context: count,
  norm_eps: z.number().positive(),
  rope: exactly({
    ...rotation,
    /**
     * Number of leading dimensions of a head that are rotated, of the last ones with latent
     * attention; even. @default head_dim
     */
    dims: count.optional(),
    /**
     * Whether a pair that is rotated together is two neighbours (0 and 1, 2 and 3 ...), not
     * dimension i of the first half and of the second. @default false
     */
    interleaved: z.boolean().optional(),
    /**
     * Whether `longrope` rotates all rows by its factors for texts beyond the original length.
     * @default false: by those for shorter texts
     */
    long: z.boolean().optional(),
    /** Layers that do not rotate, 0-based. @default none */
    skipped_layers: layerNumbers.optional(),
  }),
  tied_embeddings: z.boolean(),
  attention: exactly({
    /** Factor of the attention scores. @default 1 / sqrt(head_dim) */
    scale: z.number().positive().optional(),
    /** Scores become softcap * tanh(score / softcap). @default no cap */
    softcap: z.number().positive().optional(),
    /**
     * How queries and keys are normed (RMSNorm): true: each head before rotation; `rotated`: each
     * head after it; `all`: all heads together, before it. @default false: they are not
     */
    qk_norm: z.union([z.boolean(), z.enum(["rotated", "all"])]).optional(),
    /** Projections with a bias. @default none */
    bias: z.enum(["qkv", "qkvo"]).optional(),
    /**
     * Whether each head has a sink: a score that takes part in the softmax beside those of the rows
     * and stands for no row. @default false
     */
    sinks: z.boolean().optional(),
    /** Whether what is attended to is weighed, number by number, by a sigmoid gate. @default false */
    gate: z.boolean().optional(),
    /**
     * Latent attention (MLA): keys and values of all heads come of a few numbers of each row, which
     * alone are kept beside one rotated part of the keys. `head_dim` is the size of queries and keys,
     * `rope.dims` that of their rotated part, and `kv_heads` is 1. A `bias` is one of what hidden
     * states are compressed by and of the output. @default keys and values of each KV head
     */
    latent: exactly({
      /** Numbers of which keys and values come. */
      rank: count,
      /** Elements of a head's value. */
      value: count,
      /** Numbers of which the queries come. @default they come of the hidden state */
      query_rank: count.optional(),
    }).optional(),
  }).optional(),
  /**
   * Layers with a sliding window: a row sees only rows whose position is less than `window` below
   * its own. @default none
   */
  local: exactly({
    window: count,
    layers: layerNumbers,
    /** Rotation of these layers. @default as the others */
    rope: exactly(rotation).optional(),
  }).optional(),
  /**
   * Layers that have no attention but a short convolution: each row is mixed with the few rows
   * before it (LFM2). @default none
   */
  convolution: exactly({
    /** Rows that take part, the row itself included. */
    kernel: count.max(64),
    layers: layerNumbers,
    /** Whether the convolution and its projections have a bias. @default false */
    bias: z.boolean().optional(),
  }).optional(),
  /**
   * Layers that have, in place of attention or beside it, a recurrent state, which each row reads
   * and changes. @default none
   */
  recurrence: exactly({
    /** `delta`: the gated delta rule. @default that of Mamba 2 */
    rule: z.literal("delta").optional(),
    layers: layerNumbers,
    /** Heads of the state, each (`state`, `head_dim`). */
    heads: count,
    head_dim: count,
    state: count,
    /** Heads that share what is written to their states, and what they are read with: so many. */
    groups: count,
    /** Rows that the convolution before the recurrence adds up, the row itself included. */
    kernel: count.min(2).max(64),
    /** Whether the convolution has a bias. @default false */
    kernel_bias: z.boolean().optional(),
    /** Whether the projections have a bias. @default false */
    bias: z.boolean().optional(),
    /**
     * How what is read is normed (RMSNorm of each group): `first`: before it is gated; `none`: it
     * is not. @default after it was gated
     */
    norm: z.enum(["first", "none"]).optional(),
    /** Factors of what the projection gives: gate, written, writes, reads, step. @default none */
    factors: z.array(z.number()).length(5).optional(),
    /**
     * Set where these layers have attention too, which reads the same rows; the outputs of both are
     * multiplied by these factors and added. @default in place of attention
     */
    beside: exactly({ state: z.number(), attention: z.number() }).optional(),
  }).optional(),
  /**
   * Layers of which one half stands alone: a mixer (attention, a convolution or a recurrence) without
   * an MLP, or an MLP, or experts, without a mixer. @default all layers have both
   */
  alone: exactly({ mixer: layerNumbers, mlp: layerNumbers }).optional(),
  mlp: exactly({
    /**
     * Activation function of the gate; `gelu_tanh` is GELU by its tanh formula, `relu2` the square
     * of ReLU. `clamped`: gate * sigmoid(1.702 gate) * (up + 1), where the gate is at most 7 and
     * `up` from -7 to 7 (gpt-oss). @default "silu"
     */
    activation: z.enum(["silu", "gelu_tanh", "relu2", "clamped"]).optional(),
    /** Whether all its projections have a bias. @default false */
    bias: z.boolean().optional(),
    /** False: there is no gate; the activation is that of `up`. @default true */
    gated: z.boolean().optional(),
    /** Factor of the gate, before the activation. @default 1 */
    gate_scale: z.number().optional(),
    /** Factor of the output. @default 1 */
    scale: z.number().optional(),
  }).optional(),
  /**
   * Each layer has so many MLPs (experts) of the width `intermediate`, of which a router chooses
   * some for each row; their outputs are added up by weights. @default one MLP for all rows
   */
  experts: exactly({
    count,
    /** Experts that are computed for a row. */
    active: count,
    /**
     * Whether the weights of the chosen ones are softmax over these alone, so that they add up to 1.
     * @default false: softmax over all experts
     */
    normalised: z.boolean().optional(),
    /** Whether the router has a bias. @default false */
    bias: z.boolean().optional(),
    /**
     * `sigmoid`: the router's scores are sigmoids, each by itself; with `normalised` those of the
     * chosen ones are divided by their sum. @default softmax
     */
    scores: z.literal("sigmoid").optional(),
    /**
     * Whether a number of each expert is added to its score for the choice, and not to its weight.
     * @default false
     */
    correction: z.boolean().optional(),
    /**
     * The experts stand in so many groups, equal in number, and a row's are chosen among those of
     * its best groups. A group counts what its best expert (`one`) or its best two together (`two`)
     * score. @default all are one group
     */
    groups: exactly({
      count,
      /** Groups among whose experts is chosen. */
      active: count,
      by: z.enum(["one", "two"]),
    }).optional(),
    /** Added to the sum by which weights are divided. @default 0 */
    epsilon: z.number().positive().optional(),
    /** Factor of the weights, after they were divided. @default 1 */
    scale: z.number().positive().optional(),
    /** An MLP beside the experts that computes every row. @default none */
    shared: exactly({
      /** Width inside it. */
      intermediate: count,
      /** Whether its output is weighed by a sigmoid gate of each row. @default false */
      weighed: z.boolean().optional(),
    }).optional(),
    /** Layers that have one MLP for all rows and no experts. @default none */
    dense: exactly({
      layers: layerNumbers,
      /** Width inside their MLP. */
      intermediate: count,
    }).optional(),
  }).optional(),
  /**
   * Whether attention and MLP read the same normed rows, and are added to the residual stream
   * together. @default false
   */
  parallel: z.boolean().optional(),
  norms: exactly({
    /** `layer`: LayerNorm, which subtracts the mean first. @default "rms": RMSNorm */
    kind: z.enum(["rms", "layer"]).optional(),
    /** Whether norms have a bias besides their gain. @default false */
    bias: z.boolean().optional(),
    /** False: attention and MLP read the residual stream as it is. @default true */
    before: z.boolean().optional(),
    /** Number that is added to each stored gain (Gemma stores gain - 1). @default 0 */
    offset: z.number().optional(),
    /**
     * Whether the outputs of attention and MLP are normed too, before they are added to the
     * residual stream. @default false
     */
    after: z.boolean().optional(),
  }).optional(),
  /** Factor of each row that is looked up in the embedding. @default 1 */
  embedding_scale: z.number().positive().optional(),
  /** Factor of the outputs of attention and MLP before they are added up. @default 1 */
  residual_scale: z.number().positive().optional(),
  /** Whether the LM head has a bias. @default false */
  head_bias: z.boolean().optional(),
  /** Factor of the logits, before the cap. @default 1 */
  logit_scale: z.number().positive().optional(),
  /** Logits become softcap * tanh(logit / softcap). @default no cap */
  logit_softcap: z.number().positive().optional(),
});

/** See {@linkcode geometrySchema}. */
export type Geometry = z.infer<typeof geometrySchema>;

/** The manifest file. */
export const manifestSchema = z.object({
  version: z.literal(1),
  /** Names a folder: dots alone would lead out of the store. */
  name: z.string().regex(/^(?!\.+$)[A-Za-z0-9._~-]{1,128}$/),
  geometry: geometrySchema,
  precision: z.enum(PRECISIONS),
  /** Whether its projections in q4 make up for each other's errors. @default false */
  calibrated: z.boolean().optional(),
  /** Hash of source and settings, by which the same source is converted only once. */
  source: z.string(),
  /**
   * Exact source of a model from a hub, `owner/name@commit`; undefined for a local source, whose
   * path means nothing on another node.
   */
  origin: z.string().optional(),
  embedding: groupSchema,
  layers: z.array(groupSchema),
  /** The final norm, and where there are no parts the LM head too. */
  head: groupSchema,
  /**
   * The LM head by vocabulary rows, see `headBounds` in `head_parts.ts`; undefined: `head` has it
   * whole, as earlier versions stored it. Then no other device can share it.
   */
  head_parts: z.array(groupSchema).length(HEAD_PARTS).optional(),
  /** Tokenizer and other text files beside the manifest: file name -> sha256. */
  files: z.record(z.string(), sha256),
  /**
   * Ids of the tokens that end a generation, from generation_config.json, config.json or the
   * tokenizer.
   */
  eos_tokens: z.array(z.number().int().nonnegative()),
  /** Id of the token that begins a text; null: the model has none. */
  bos_token: z.number().int().nonnegative().nullable(),
});

/** See {@linkcode manifestSchema}. */
export type Manifest = z.infer<typeof manifestSchema>;

/** What of a manifest graphs are built from; a graph reads only the groups of its own layers. */
export type GraphModel = Pick<
  Manifest,
  "name" | "geometry" | "embedding" | "layers" | "head" | "head_parts"
>;

/** The groups of a model. */
export type WeightGroups = Pick<Manifest, "embedding" | "layers" | "head" | "head_parts">;

/** Stored bytes of final norm and LM head. */
export const headBytes = ({ head, head_parts = [] }: WeightGroups): number =>
  [head, ...head_parts].reduce((sum, { bytes }) => sum + bytes, 0);

/** All groups of a model, each once: embedding, layers, head, parts of the head. */
export const groupsOf = ({ embedding, layers, head, head_parts = [] }: WeightGroups): Group[] => [
  ...new Set([embedding, ...layers, head, ...head_parts]),
];

/** Tensor names within the groups of a Llama-family model. */
export const LLAMA_TENSORS = {
  embedding: { "embed": "model.embed_tokens.weight" },
  layer: {
    "attn_norm": "input_layernorm.weight",
    "attn.q": "self_attn.q_proj.weight",
    "attn.k": "self_attn.k_proj.weight",
    "attn.v": "self_attn.v_proj.weight",
    "attn.o": "self_attn.o_proj.weight",
    "mlp_norm": "post_attention_layernorm.weight",
    "mlp.gate": "mlp.gate_proj.weight",
    "mlp.up": "mlp.up_proj.weight",
    "mlp.down": "mlp.down_proj.weight",
  },
  head: { "norm": "model.norm.weight", "lm_head": "lm_head.weight" },
} as const;
