/**
 * Names of models as clients of Ollama write them.
 *
 * @module
 */
import { type HubSpec, parseHubSpec } from "../../models/mod.ts";
import { apiError, STORED_FORMS, type StoredForm } from "../api/mod.ts";

/** A model of the hub, and how its weights are to be stored. */
export interface PullTarget extends HubSpec {
  /** How the weights are stored. @default "q4", and of a GGUF file the nearest to what it holds */
  precision?: StoredForm;
}

/** Hosts of the hub that clients put before a name; which hub is asked is the node's setting. */
const HOSTS = /^(https?:\/\/)?(hf\.co|huggingface\.co)\//;

/**
 * `owner/name`, `owner/name:q8` (a precision as tag), `owner/name:q4-calibrated` or
 * `owner/name:file.gguf`, perhaps behind `hf.co/`. Throws group `api`, code `invalid_value`.
 */
export function pullTarget(name: string): PullTarget {
  const text = name.replace(HOSTS, "");
  const at = text.lastIndexOf(":");
  const tag = text.slice(at + 1).toLowerCase();
  const precision = at < 0 ? undefined : STORED_FORMS.find((known) => known === tag);
  const spec = parseHubSpec(precision ? text.slice(0, at) : text);
  if (spec) return { ...spec, ...(precision && { precision }) };
  const shown = JSON.stringify(name.slice(0, 200));
  throw apiError(
    "invalid_value",
    `model: ${shown} names no model of the hub; give owner/name, owner/name:TAG with a tag of ` +
      `${STORED_FORMS.join(", ")}, or owner/name:file.gguf`,
    "model",
  );
}
