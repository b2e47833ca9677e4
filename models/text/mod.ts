/**
 * Turns text into token ids and back: tokenizers, chat templates, streams that do not cut
 * characters, stop strings.
 *
 * @module
 */
export { type BridgeSide, BridgeText, openBridge, type TextBridge } from "./bridge.ts";
export { type ChatMessage, ChatTemplate, type MarkedPrompt, type RenderOptions } from "./chat.ts";
export { frequentTokens } from "./frequent_tokens.ts";
export { infillEnds, infillTokens } from "./infill.ts";
export { ModelScope } from "./model_scope.ts";
export { StopMatcher, type StopResult } from "./stop.ts";
export { TextStream, type TextStreamOptions } from "./stream.ts";
export {
  type DecodeOptions,
  type EncodeMarkedOptions,
  type EncodeOptions,
  Tokenizer,
} from "./tokenizer.ts";
export {
  readTokenizerIdentity,
  tokenizerDifference,
  type TokenizerIdentity,
} from "./tokenizer_identity.ts";
export type { Spelling } from "./token_bytes.ts";
