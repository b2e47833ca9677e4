/**
 * Dimensions of well-known models.
 *
 * @module
 */

/** Dimensions of well-known models by name; fields as in `PaperDimensions`. */
export const MODEL_PRESETS = {
  "llama-2-7b": {
    layers: 32,
    hidden: 4096,
    vocab: 32000,
    heads: 32,
    kv_heads: 32,
    head_dim: 128,
    ffn: 11008,
    context: 4096,
  },
  "llama-2-13b": {
    layers: 40,
    hidden: 5120,
    vocab: 32000,
    heads: 40,
    kv_heads: 40,
    head_dim: 128,
    ffn: 13824,
    context: 4096,
  },
  "llama-2-70b": {
    layers: 80,
    hidden: 8192,
    vocab: 32000,
    heads: 64,
    kv_heads: 8,
    head_dim: 128,
    ffn: 28672,
    context: 4096,
  },
  "llama-3-8b": {
    layers: 32,
    hidden: 4096,
    vocab: 128256,
    heads: 32,
    kv_heads: 8,
    head_dim: 128,
    ffn: 14336,
    context: 8192,
  },
  "tinyllama-1.1b": {
    layers: 22,
    hidden: 2048,
    vocab: 32000,
    heads: 32,
    kv_heads: 4,
    head_dim: 64,
    ffn: 5632,
    context: 2048,
  },
  "qwen2.5-0.5b": {
    layers: 24,
    hidden: 896,
    vocab: 151936,
    heads: 14,
    kv_heads: 2,
    head_dim: 64,
    ffn: 4864,
    context: 32768,
    tied: true,
  },
} as const;
