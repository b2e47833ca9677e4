/**
 * The one conversation of this tab. It goes on while other views are looked at.
 *
 * @module
 */
import { answer, keepTurns, keptTurns } from "./conversation.js";
import { useEffect, useState } from "./html.js";

/** @typedef {import("./conversation.js").Turn} Turn */

let turns = keptTurns();
/** Stops the answer that runs. */
let running = /** @type {AbortController | undefined} */ (undefined);
const changed = new EventTarget();

/** @param {Turn[]} next */
function set(next) {
  turns = next;
  changed.dispatchEvent(new Event("change"));
}

/** The turns, as they grow. @returns {Turn[]} */
export function useTurns() {
  const [, show] = useState(0);
  useEffect(() => {
    const onChange = () => show((n) => n + 1);
    changed.addEventListener("change", onChange);
    return () => changed.removeEventListener("change", onChange);
  }, []);
  return turns;
}

/** Stops the answer that runs. */
export const stopAnswer = () => running?.abort();

/** Drops all turns but the first so many, and stops the answer that runs. @param {number} count */
export function cutTurns(count) {
  running?.abort();
  running = undefined;
  set(turns.slice(0, count));
  keepTurns(turns);
}

/**
 * Asks in place of the turns behind the first `count`. Resolves to the answer at its end, to
 * undefined where something else was asked meanwhile.
 * @param {number} count
 * @param {string} text
 * @param {{model: string, mode: string, maxTokens?: number, temperature?: number}} settings
 * @returns {Promise<Turn | undefined>}
 */
export async function ask(count, text, settings) {
  running?.abort();
  const stop = running = new AbortController();
  /** @type {Turn[]} */
  const asked = [...turns.slice(0, count), { role: "user", text }];
  /** @type {Turn} */
  let latest;
  let frame = 0;
  const show = () => {
    frame = 0;
    if (running === stop) set([...asked, latest]);
  };
  for await (latest of answer(asked, settings, stop.signal)) {
    // Not more often than it can be seen. A tab in the background draws no frames.
    if (document.hidden) show();
    else frame ||= requestAnimationFrame(show);
  }
  cancelAnimationFrame(frame);
  show();
  if (running !== stop) return undefined;
  keepTurns(turns);
  return latest;
}
