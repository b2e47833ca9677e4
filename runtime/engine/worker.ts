/**
 * The engine's worker: answers the requests of {@linkcode Operations} one after the other.
 *
 * @module
 */
import { OrreryError } from "../../actors/system/errors.ts";
import { engineError } from "./errors.ts";
import type { Operation, Operations, Reply, Request } from "./protocol.ts";
import { Stage } from "./stage.ts";

const port = globalThis as unknown as {
  onmessage: (event: MessageEvent<Request>) => void;
  postMessage(message: Reply, transfer: ArrayBuffer[]): void;
};

let stage: Stage | undefined;

port.onmessage = ({ data }) => answer(data);

function answer(request: Request): void {
  try {
    const value = perform(request);
    const hidden = value && "hidden" in value ? [value.hidden.buffer] : [];
    port.postMessage({ ok: true, value }, hidden);
  } catch (error) {
    const known = error instanceof OrreryError ? error : engineError(
      "engine_failed",
      error instanceof Error ? error.message : String(error),
      {},
      error,
    );
    port.postMessage({ ok: false, error: known.toWire() }, []);
  }
}

function perform(request: Request): Operations[Operation]["value"] {
  if (request.op === "load") {
    stage = Stage.load(request.body);
    return;
  }
  if (!stage) {
    throw engineError(
      "engine_failed",
      `the engine was asked to ${request.op} before it was loaded`,
    );
  }
  switch (request.op) {
    case "layout":
      return stage.layout(request.body.arena, request.body.layout);
    case "run":
      return stage.run(request.body);
    case "close":
      return stage.close(request.body.arena);
    case "stats":
      return stage.stats();
    case "dispose":
      return stage.dispose();
  }
}
