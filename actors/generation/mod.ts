/**
 * The generation: one actor for each request. It decides which rows it wants, which drafts came
 * true, and what the client sees.
 *
 * @module
 */
export * from "./actor.ts";
export {
  addProgress,
  type AnswerProgress,
  type AnswerState,
  answerStateSchema,
  emptyAnswer,
} from "./answer_state.ts";
export { rowFailed } from "./grammar_errors.ts";
export type { GrammarStep, GrammarWalk } from "./grammar.ts";
export { type FindPipeline, pipelineLost, type PipelinePath } from "./pipeline_recovery.ts";
export {
  quickerRoute,
  type RouteChoice,
  type RoutedRequest,
  type RouteSituation,
} from "./route.ts";
