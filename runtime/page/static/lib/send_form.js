/**
 * A form with large files, and the lines of its answer. `fetch` tells nothing of the bytes that have
 * been sent, so this is done by XMLHttpRequest.
 *
 * @module
 */
import { ApiError, apiKey, needsKey } from "./api.js";

/**
 * Posts a form and gives the lines of the answer as they come. Throws ApiError for any answer but
 * 2xx, and the signal's reason.
 * @param {string} path
 * @param {FormData} form
 * @param {{signal: AbortSignal, onSent: (bytes: number, total: number) => void}} options
 * @returns {AsyncGenerator<string, void>}
 */
export async function* sendForm(path, form, { signal, onSent }) {
  const request = new XMLHttpRequest();
  let [wake, taken, over] = [() => {}, 0, false];
  const end = () => {
    over = true;
    wake();
  };
  const stop = () => request.abort();
  request.upload.onprogress = ({ loaded, total }) => onSent(loaded, total);
  request.onprogress = () => wake();
  request.onloadend = end; // after a failure and an abort too
  signal.addEventListener("abort", stop);
  try {
    signal.throwIfAborted();
    request.open("POST", path);
    const key = apiKey();
    if (key) request.setRequestHeader("authorization", `Bearer ${key}`);
    request.send(form);
    for (;;) {
      const { status, responseText: text } = request;
      if (over && (status < 200 || status > 299)) break;
      if (status >= 200 && status <= 299) {
        const last = over ? text.length : text.lastIndexOf("\n");
        const lines = text.slice(taken, Math.max(taken, last)).split("\n");
        taken = Math.max(taken, last);
        yield* lines.filter((line) => line.trim() !== "");
        if (over) break;
      }
      if (!over) await new Promise((resolve) => wake = resolve);
    }
    signal.throwIfAborted();
    if (request.status >= 200 && request.status <= 299) return;
    throw errorOf(request);
  } finally {
    signal.removeEventListener("abort", stop);
    request.abort();
  }
}

/** @param {XMLHttpRequest} request */
function errorOf({ status, responseText }) {
  if (status === 0) {
    const message = "the node ended the connection: it may have stopped, or refuses such files";
    return new ApiError({ status, code: "unreachable", message });
  }
  try {
    return needsKey(new ApiError({ status, ...JSON.parse(responseText).error }));
  } catch {
    return new ApiError({ status, message: `the node answered with status ${status}` });
  }
}
