/**
 * The arbiter: one for each deployment and gateway node. It owns an arena and decides which rows
 * run when.
 *
 * `actor.ts` carries out what `core.ts` decides; `policy.ts` chooses the next frame.
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
