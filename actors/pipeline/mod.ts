/**
 * The pipeline: frames and tensors, the stage actors that run them, and the drafters that guess the
 * next tokens.
 *
 * @module
 */
export { arenaName } from "./callers.ts";
export type { BridgedText, DraftBridge } from "./draft_bridge.ts";
export * from "./draft_messages.ts";
export * from "./drafter.ts";
export * from "./engine.ts";
export * from "./frame.ts";
export * from "./frame_problems.ts";
export * from "./head.ts";
export * from "./head_engine.ts";
export * from "./head_messages.ts";
export * from "./late_masks.ts";
export * from "./kept_states.ts";
export * from "./ngram.ts";
export * from "./pack_partials.ts";
export * from "./partials.ts";
export * from "./prediction.ts";
export * from "./rebuild.ts";
export * from "./reports.ts";
export * from "./shape.ts";
export * from "./stage.ts";
export * from "./suffix.ts";
export * from "./tensor.ts";
export * from "./token_mask.ts";
