/**
 * Classes by `model_type`, for a config.json that names no class: transformers chooses by the type
 * alone.
 *
 * @module
 */

/** Class of each type that is known. */
const CLASSES: Readonly<Record<string, string>> = {
  llama: "LlamaForCausalLM",
  mistral: "MistralForCausalLM",
  ministral: "MinistralForCausalLM",
  ministral3: "Ministral3ForCausalLM",
  mistral3: "Mistral3ForConditionalGeneration",
  smollm3: "SmolLM3ForCausalLM",
  qwen2: "Qwen2ForCausalLM",
  qwen3: "Qwen3ForCausalLM",
  gemma: "GemmaForCausalLM",
  gemma2: "Gemma2ForCausalLM",
  gemma3_text: "Gemma3ForCausalLM",
  gemma3: "Gemma3ForConditionalGeneration",
  phi: "PhiForCausalLM",
  phi3: "Phi3ForCausalLM",
  granite: "GraniteForCausalLM",
  olmo2: "Olmo2ForCausalLM",
  olmo3: "Olmo3ForCausalLM",
  ernie4_5: "Ernie4_5ForCausalLM",
  hunyuan_v1_dense: "HunYuanDenseV1ForCausalLM",
  exaone4: "Exaone4ForCausalLM",
  glm: "GlmForCausalLM",
  glm4: "Glm4ForCausalLM",
  stablelm: "StableLmForCausalLM",
  cohere: "CohereForCausalLM",
  cohere2: "Cohere2ForCausalLM",
  starcoder2: "Starcoder2ForCausalLM",
  nemotron: "NemotronForCausalLM",
  seed_oss: "SeedOssForCausalLM",
  mixtral: "MixtralForCausalLM",
  qwen3_moe: "Qwen3MoeForCausalLM",
  olmoe: "OlmoeForCausalLM",
  granitemoe: "GraniteMoeForCausalLM",
  gpt_oss: "GptOssForCausalLM",
  minicpm: "MiniCPMForCausalLM",
  minicpm3: "MiniCPM3ForCausalLM",
  deepseek_v2: "DeepseekV2ForCausalLM",
  deepseek_v3: "DeepseekV3ForCausalLM",
  glm4_moe_lite: "Glm4MoeLiteForCausalLM",
  youtu: "YoutuForCausalLM",
  internlm3: "InternLM3ForCausalLM",
  lfm2: "Lfm2ForCausalLM",
  lfm2_moe: "Lfm2MoeForCausalLM",
  qwen2_moe: "Qwen2MoeForCausalLM",
  ernie4_5_moe: "Ernie4_5_MoeForCausalLM",
  glm4_moe: "Glm4MoeForCausalLM",
  hunyuan_v1_moe: "HunYuanMoEV1ForCausalLM",
  granitemoeshared: "GraniteMoeSharedForCausalLM",
  granitemoehybrid: "GraniteMoeHybridForCausalLM",
  falcon_h1: "FalconH1ForCausalLM",
  bamba: "BambaForCausalLM",
  qwen3_next: "Qwen3NextForCausalLM",
  qwen3_5_text: "Qwen3_5ForCausalLM",
  qwen3_5: "Qwen3_5ForConditionalGeneration",
  nemotron_h: "NemotronHForCausalLM",
  mamba2: "Mamba2ForCausalLM",
  qwen3_5_moe_text: "Qwen3_5MoeForCausalLM",
  qwen3_5_moe: "Qwen3_5MoeForConditionalGeneration",
};

/** The types that are known. */
export const MODEL_TYPES: readonly string[] = Object.keys(CLASSES);

/**
 * config.json with the class that its `model_type` stands for, where it names none; of an unknown
 * type, the type itself, which is refused by that name.
 */
export function withClass(json: unknown): unknown {
  if (typeof json !== "object" || json === null) return json;
  const { architectures, model_type: type } = json as Record<string, unknown>;
  const named = Array.isArray(architectures) && architectures.length > 0;
  if (named || typeof type !== "string") return json;
  return { ...json, architectures: [CLASSES[type] ?? type] };
}
