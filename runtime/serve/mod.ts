/**
 * Serving: the gateway runs API requests as generation actors. With it: admission, the served
 * model's tokenizer and templates, the prompts of outlines, and the search for models by name.
 *
 * Start with `gateway.ts`, which takes a request; `requests_runner.ts` runs it.
 *
 * - whether a request may run now: `admission.ts`, `kv_rooms.ts`, `readiness.ts`, `probe.ts`
 * - what serves it: `served_name.ts`, `copy_choice.ts`, `served_deployment.ts`, `served_model.ts`
 * - from its prompt to token ids: `prompt_encoder.ts`; long ones in a thread: `prompt_size.ts`,
 *   `prompt_thread.ts`, `prompt_thread_worker.ts`
 * - how its generation is started: `generation_start.ts`, `model_router.ts`, `outline_text.ts`,
 *   `routes.ts`, `arbiters.ts`
 * - what its generation tells: `client_events.ts`, `chat_answer.ts`, `request_meter.ts`
 * - answers that are held to a grammar: `model_grammars.ts`
 * - embeddings: `embed.ts`, `ask_again.ts`
 * - its stages are gone: `running_requests.ts`, `held_requests.ts`, `gone_nodes.ts`
 * - what requests have shown, for the next ones: `experience.ts`, `draft_choice.ts`
 * - models by name: `resolve_model.ts`, `resolve_graph.ts`
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
