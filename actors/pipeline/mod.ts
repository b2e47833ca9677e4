/**
 * The pipeline: frames and tensors, the stage actors that run them, and the drafters that guess the
 * next tokens. Start with `frame.ts`, the message that moves; then `stage.ts`, which runs it.
 *
 * - what moves: `frame.ts`, `frame_problems.ts`, `tensor.ts`, `token_mask.ts`
 * - stages: `stage.ts`, `stage_frames.ts`, `open_arenas.ts`, `engine.ts`
 * - a lost stage is replaced in place: `rebuild.ts`, `kept_states.ts`
 * - recurrent states of an arena: `state_count.ts`
 * - masks that follow their rows: `late_masks.ts`
 * - the LM head on several nodes: `head.ts`, `head_frames.ts`, `head_messages.ts`, `head_news.ts`, `head_engine.ts`
 * - choosing a token from partial heads: `partials.ts`, `pack_partials.ts`, `random.ts`
 * - drafts of a model: `drafter.ts`, `draft_messages.ts`, `draft_chains.ts`, `draft_bridge.ts`
 * - drafts without a model: `suffix.ts`, `suffix_index.ts`, `ngram.ts`, `prediction.ts`
 * - who may send what; what is reported: `callers.ts`; `reports.ts`, `work_spans.ts`
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
export * from "./stage_address.ts";
export * from "./state_count.ts";
export * from "./suffix.ts";
export * from "./tensor.ts";
export * from "./token_mask.ts";
