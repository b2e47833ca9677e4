/**
 * What is asked to see whether prompts are answered.
 *
 * @module
 */
import type { GenerateRequest } from "../api/mod.ts";

/** The request of a probe: a prompt of one token, and one token of an answer. */
export const PROBE: GenerateRequest = {
  model: "default",
  prompt: { kind: "tokens", tokens: [0] },
  sampling: { temperature: 0 },
  maxTokens: 1,
  stop: [],
  ignoreEos: true,
  mode: "plain",
  route: "pipeline",
};
