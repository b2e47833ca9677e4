/**
 * Names of models as clients of Ollama write them.
 *
 * @module
 */
import { type HubSpec, parseHubSpec, type Precision, PRECISIONS } from "../../models/mod.ts";
import { apiError } from "../api/mod.ts";

/** A model of the hub, and how its weights are to be stored. */
export interface PullTarget extends HubSpec {
  /** How the weights are stored. @default "q4", and of a GGUF file the nearest to what it holds */
  precision?: Precision;
}

/** Hosts of the hub that clients put before a name; which hub is asked is the node's setting. */
const HOSTS = /^(https?:\/\/)?(hf\.co|huggingface\.co)\//;

/**
 * `owner/name`, `owner/name:q8` (a precision as tag) or `owner/name:file.gguf`, perhaps behind
 * `hf.co/`. Throws group `api`, code `invalid_value`.
 */
export function pullTarget(name: string): PullTarget {
  const text = name.replace(HOSTS, "");
  const at = text.lastIndexOf(":");
  const tag = text.slice(at + 1).toLowerCase();
  const precision = at < 0 ? undefined : PRECISIONS.find((known) => known === tag);
  const spec = parseHubSpec(precision ? text.slice(0, at) : text);
  if (spec) return { ...spec, ...(precision && { precision }) };
  const shown = JSON.stringify(name.slice(0, 200));
  throw apiError(
    "invalid_value",
    `model: ${shown} names no model of the hub; give owner/name, owner/name:TAG with a tag of ` +
      `${PRECISIONS.join(", ")}, or owner/name:file.gguf`,
    "model",
  );
}
