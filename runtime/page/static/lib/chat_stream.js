/**
 * A streamed answer of `/v1/chat/completions`. A stream that breaks off is gone on with, as the node
 * keeps its requests.
 *
 * @module
 */
import { ApiError, lines, send } from "./api.js";

/** How often, and after how many milliseconds, a stream that broke off is asked for again. */
const RESUMES = 5;
const RESUME_MS = 800;

/**
 * The chunks of the answer. Throws ApiError, and the signal's reason.
 * @param {Record<string, unknown>} request The body, without `stream`.
 * @param {AbortSignal} signal
 */
export async function* streamChat(request, signal) {
  const body = { ...request, stream: true, stream_options: { include_usage: true } };
  let lastId;
  for (let tries = 0;; tries++) {
    try {
      const headers = lastId === undefined ? {} : { "last-event-id": lastId };
      const response = await send("/v1/chat/completions", { body, headers, signal });
      for await (const line of lines(response)) {
        if (line.startsWith("id:")) lastId = line.slice(3).trim();
        if (!line.startsWith("data:")) continue;
        const data = line.slice(5).trim();
        if (data === "[DONE]") return;
        const chunk = JSON.parse(data);
        if (chunk.error) throw new ApiError({ status: 200, ...chunk.error });
        yield chunk;
      }
      throw new ApiError({ status: 0, code: "unreachable", message: "the answer broke off" });
    } catch (error) {
      signal.throwIfAborted();
      const broke = !(error instanceof ApiError) || error.status === 0;
      if (!broke || lastId === undefined || tries >= RESUMES) throw error;
      await new Promise((resolve) => setTimeout(resolve, RESUME_MS));
    }
  }
}
