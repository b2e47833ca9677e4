/**
 * Serving: the gateway runs API requests as generation actors. With it: admission, the served
 * model's tokenizer and templates, the prompts of outlines, and the search for models by name.
 *
 * @module
 */
export { Admission, type AdmissionLimits, USUAL_LIMITS } from "./admission.ts";
export { Gateway } from "./gateway.ts";
export type { GatewayOptions } from "./gateway_options.ts";
export type { ServingControl } from "./serving_control.ts";
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
export {
  checkVocabulary,
  type GraphChoice,
  type ResolvedGraph,
  resolveGraph,
} from "./resolve_graph.ts";
export type { Served } from "./running_requests.ts";
export { ServedModel } from "./served_model.ts";
