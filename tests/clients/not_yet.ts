/**
 * What the node cannot do yet.
 *
 * @module
 */

/** Cells of the matrix, `client: feature`, that fail today. One that passes must leave the list. */
export const NOT_YET: readonly string[] = [
  "openai: json_object",
  "openai: json_schema",
  "openai: json_schema_stream",
  "openai: tool_call",
  "openai: tool_stream",
  "ai (responses): json_schema",
  "ai (responses): json_schema_stream",
  "ai (responses): tool_call",
  "ai (responses): tool_stream",
  "ai (responses): tool_loop",
  "ai (chat): json_schema",
  "ai (chat): json_schema_stream",
  "ai (chat): tool_call",
  "ai (chat): tool_stream",
  "ai (chat): tool_loop",
  "ai (compatible): json_schema",
  "ai (compatible): json_schema_stream",
  "ai (compatible): tool_call",
  "ai (compatible): tool_stream",
  "ai (compatible): tool_loop",
  "LangChain.js: json_schema",
  "LangChain.js: json_schema_stream",
  "LangChain.js: tool_call",
  "LangChain.js: tool_stream",
  "LangChain.js: tool_loop",
  "Anthropic: tool_call",
  "Anthropic: tool_stream",
  "Ollama: json_object",
  "Ollama: json_schema",
  "Ollama: json_schema_stream",
  "lm-eval: echo_logprobs",
  "openai (Python): json_schema",
  "openai (Python): json_schema_stream",
  "openai (Python): tool_call",
  "openai (Python): tool_stream",
  "LiteLLM: json_schema",
  "LiteLLM: tool_call",
  "LiteLLM: tool_stream",
];
