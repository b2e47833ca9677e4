/**
 * The arbiter: one for each deployment and gateway node. It owns an arena and decides which rows
 * run when.
 *
 * Start with `messages.ts`, what a Generation and its arbiter say to each other. A message comes to
 * `actor.ts`, which hands it to `core.ts`. The core has no effects of its own: it asks `policy.ts`
 * for the next frame, and what is to be done it returns as a list (`effects.ts`).
 *
 * - messages in, effects out: `actor.ts`, `core.ts`, `effects.ts`, `send_effects.ts`,
 *   `time_limits.ts`
 * - requests and their rows that wait: `requests.ts`, `request.ts`, `request_tally.ts`,
 *   `request_masks.ts`, `prompt_pieces.ts`
 * - which rows go into the next frame: `policy.ts`, `situation.ts`, `lane_returns.ts`
 * - frames under way: `arena.ts`, `loading.ts`, `flights.ts`, `head_answers.ts`
 * - which row stands in which slot: `row_pool.ts`, `near_rows.ts`, `memory.ts`, `tidy.ts`
 * - rows that later prompts may begin with: `prefix_cache.ts`, `resumable.ts`
 * - how long frames take, and what they cost: `frame_cost.ts`, `cost_curve.ts`, `usage.ts`
 * - numbers of masks that stages know: `mask_book.ts`, `late_book.ts`
 * - a stage is lost, and the pipeline rebuilt: `lost_stages.ts`, `rebuild.ts`, `laid_layouts.ts`,
 *   `rebuilt_near.ts`
 * - what others are told: `outlook.ts`, `stats.ts`, `reports.ts`, `frame_spans.ts`
 *
 * @module
 */
export * from "./actor.ts";
export * from "./messages.ts";
export { type Windowed, windowedRows } from "./near_rows.ts";
export { type Outlook } from "./outlook.ts";
export type { FrameReport, RebuildReport } from "./reports.ts";
export { alreadyStarted, stagesSilent } from "./request_errors.ts";
export { type ArbiterStats } from "./stats.ts";
export { type CostNews, type FrameTrace } from "./usage.ts";
