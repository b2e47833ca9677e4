/**
 * Serving: from an API request to a Generation actor and back; admission, the served model's text,
 * outlines' prompts.
 *
 * @module
 */
export { Admission } from "./admission.ts";
export { Gateway, type GatewayOptions, type Served, type ServingControl } from "./gateway.ts";
export {
  type DraftChoice,
  EMBEDDED,
  isEmbedded,
  type ModelChoice,
  type ModelFinder,
  resolveDraft,
  resolveModel,
  USUAL_ACCEPTANCE,
} from "./resolve_model.ts";
export { ServedModel } from "./served_model.ts";
