/**
 * The model that this tab adds to the node's store. It goes on while other views are looked at.
 *
 * @module
 */
import { ApiError, lines, send } from "./api.js";
import { useEffect, useState } from "./html.js";
import { sendForm } from "./send_form.js";

/**
 * @typedef {object} Adding
 * @property {string} model
 * @property {boolean} busy
 * @property {string} status What is being done, or was last, in words.
 * @property {number} [total] Bytes, or weights; undefined: nothing is counted.
 * @property {number} [completed]
 * @property {boolean} [isBytes] Whether bytes are counted.
 * @property {number} [bytesPerS] How fast they go.
 * @property {string} [failed] Why it ended early.
 */

/** @type {Adding | undefined} */
let now;
/** Stops what runs. */
let running = /** @type {AbortController | undefined} */ (undefined);
const changed = new EventTarget();

/** @param {Adding} next */
function set(next) {
  now = next;
  changed.dispatchEvent(new Event("change"));
}

/** The model that this tab adds or has added last. @returns {Adding | undefined} */
export function useAdding() {
  const [, show] = useState(0);
  useEffect(() => {
    const onChange = () => show((n) => n + 1);
    changed.addEventListener("change", onChange);
    return () => changed.removeEventListener("change", onChange);
  }, []);
  return now;
}

/** Stops the adding; of uploaded files nothing is kept. */
export const stopAdding = () => running?.abort();

/**
 * Adds a model of the hub. Resolves to what there is to say in the end.
 * @param {string} model
 */
export const addOfHub = (model) =>
  add(model, "Stopped. What has arrived is kept for the next time.", async function* (signal) {
    yield* lines(await send("/api/pull", { body: { model }, signal }));
  });

/**
 * Sends files of a model. Resolves to what there is to say in the end.
 * @param {File[]} files
 * @param {{name: string, precision: string}} about
 */
export const addFiles = (files, { name, precision }) =>
  add(name, "Stopped. The node has deleted what had arrived.", async function* (signal) {
    const form = new FormData();
    form.append("name", name);
    if (precision !== "") form.append("precision", precision);
    for (const file of files) form.append("file", file, file.name);
    const began = performance.now();
    const onSent = (/** @type {number} */ completed, /** @type {number} */ total) => {
      if (!now?.busy || signal.aborted) return;
      const bytesPerS = 1000 * completed / (performance.now() - began);
      const status = completed < total ? "sending the files" : "the node reads the files";
      set({ ...now, status, total, completed, isBytes: true, bytesPerS });
    };
    yield* sendForm("/api/models", form, { signal, onSent });
  });

/**
 * @param {string} model
 * @param {string} stopped What is said where it was stopped.
 * @param {(signal: AbortSignal) => AsyncGenerator<string, void>} begin
 * @returns {Promise<string>}
 */
async function add(model, stopped, begin) {
  const stop = running = new AbortController();
  set({ model, busy: true, status: "asking the node" });
  try {
    let ended = false;
    for await (const line of begin(stop.signal)) {
      const { error, status, total, completed } = JSON.parse(line);
      if (error) throw new Error(error.message ?? error);
      ended = status === "success";
      const isBytes = status.startsWith("pulling ") && total > 0;
      if (!ended) set({ model, busy: true, status, total, completed, isBytes });
    }
    if (!ended) throw new ApiError({ status: 0, message: "the node broke off before the end" });
    const status = `${model} is stored`;
    set({ model, busy: false, status });
    return status;
  } catch (error) {
    const failed = stop.signal.aborted ? stopped : error.message;
    set({ model, busy: false, status: "", failed });
    return failed;
  }
}
