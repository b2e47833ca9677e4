/**
 * The conversation of this tab: its turns, and how the answer that runs grows.
 *
 * @module
 */
import { streamChat } from "./chat_stream.js";

const KEPT = "orrery.conversation";

/**
 * @typedef {object} Turn
 * @property {"user" | "assistant"} role
 * @property {string} text In order; of an outline, all branches one after the other.
 * @property {string[]} [branches] Texts of the branches of an outline.
 * @property {string} [reasoning] What the model thought first.
 * @property {"running" | "done" | "stopped" | "failed"} [state]
 * @property {string} [error] Why it failed.
 * @property {number} [firstMs] Milliseconds until the first text came here.
 * @property {number} [shownMs] Milliseconds until the last text came here.
 * @property {number} [pieces] Number of pieces of text that came.
 * @property {Record<string, any>} [report] The `orrery` of the response.
 * @property {Record<string, any>} [usage]
 * @property {string} [finish] Why the answer ended.
 */

/** The turns that this tab has kept. @returns {Turn[]} */
export function keptTurns() {
  try {
    const turns = JSON.parse(sessionStorage.getItem(KEPT) ?? "[]");
    return turns.map((/** @type {Turn} */ turn) =>
      turn.state === "running" ? { ...turn, state: "stopped" } : turn
    );
  } catch {
    return [];
  }
}

/** Keeps the turns for this tab; what does not fit is not kept. @param {Turn[]} turns */
export function keepTurns(turns) {
  try {
    sessionStorage.setItem(KEPT, JSON.stringify(turns));
  } catch {
    sessionStorage.removeItem(KEPT);
  }
}

/** The text of a turn as the model is told it. @param {Turn} turn */
export const textOf = ({ text, branches }) =>
  branches ? branches.filter(Boolean).map((branch) => branch.trim()).join("\n\n") : text;

/**
 * Asks the node and gives the answer as it grows: a new object for each piece of text, the last one
 * with the report. A failure is a state of the answer.
 * @param {Turn[]} turns Up to the question.
 * @param {{model: string, mode: string, maxTokens?: number, temperature?: number}} settings
 * @param {AbortSignal} signal
 * @returns {AsyncGenerator<Turn, void>}
 */
export async function* answer(turns, { model, mode, maxTokens, temperature }, signal) {
  const messages = turns.map((turn) => ({ role: turn.role, content: textOf(turn) }));
  const body = {
    model,
    messages,
    ...(maxTokens !== undefined && { max_tokens: maxTokens }),
    ...(temperature !== undefined && { temperature }),
    orrery: { mode, live_branches: true },
  };
  const began = performance.now();
  /** @type {Turn} */
  let turn = { role: "assistant", text: "", state: "running", pieces: 0 };
  yield turn;
  try {
    for await (const chunk of streamChat(body, signal)) {
      turn = grown(turn, chunk, performance.now() - began);
      yield turn;
    }
    yield { ...turn, state: "done" };
  } catch (error) {
    if (signal.aborted) yield { ...turn, state: "stopped" };
    else yield { ...turn, state: "failed", error: error.message };
  }
}

/** The answer with what a chunk tells. @param {Turn} turn @param {any} chunk @param {number} ms */
function grown(turn, chunk, ms) {
  const next = { ...turn };
  if (chunk.orrery) next.report = chunk.orrery;
  if (chunk.usage) next.usage = chunk.usage;
  const [choice] = chunk.choices ?? [];
  if (!choice) return next;
  if (choice.finish_reason) next.finish = choice.finish_reason;
  const { content, reasoning_content: thought, orrery } = choice.delta ?? {};
  if (thought) next.reasoning = (turn.reasoning ?? "") + thought;
  if (!content) return next;
  next.firstMs ??= ms;
  next.shownMs = ms;
  next.pieces = (turn.pieces ?? 0) + 1;
  const branch = orrery?.branch;
  if (branch === undefined) return { ...next, text: turn.text + content };
  const branches = [...(turn.branches ?? [])];
  while (branches.length <= branch) branches.push("");
  branches[branch] += content;
  return { ...next, branches };
}
