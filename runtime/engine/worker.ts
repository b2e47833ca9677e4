/**
 * The engine's worker: answers the calls of {@linkcode Operations} one after the other.
 *
 * @module
 */
import { OrreryError } from "../../actors/system/errors.ts";
import { engineError } from "./errors.ts";
import { OrtStage } from "./ort_stage.ts";
import type { EngineCall, Operation, Operations, Reply } from "./protocol.ts";

const port = globalThis as unknown as {
  onmessage: (event: MessageEvent<EngineCall>) => void;
  postMessage(message: Reply, transfer: ArrayBuffer[]): void;
};

/** The loaded stage; undefined before `load`. */
let stage: OrtStage | undefined;

port.onmessage = ({ data }) => answer(data);

function answer(call: EngineCall): void {
  try {
    const value = perform(call);
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

function perform(call: EngineCall): Operations[Operation]["value"] {
  if (call.op === "load") {
    stage = OrtStage.load(call.body);
    return;
  }
  if (!stage) {
    throw engineError(
      "engine_failed",
      `the engine was asked to ${call.op} before it was loaded`,
    );
  }
  switch (call.op) {
    case "layout":
      return stage.layout(call.body.arena, call.body.layout);
    case "run":
      return stage.run(call.body);
    case "close":
      return stage.close(call.body.arena);
    case "stats":
      return stage.stats();
    case "dispose":
      return stage.dispose();
  }
}
