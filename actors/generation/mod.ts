/**
 * The generation: one actor for each request. It decides which rows it wants, which drafts came
 * true, and what the client sees.
 *
 * Start with `lane.ts`: a lane is a chain of tokens with drafts on its end, and a request has one
 * or, in an outline, several. `request_life.ts` is the life of a request; `run.ts` is one run of it
 * on one pipeline. Where the pipeline is lost, another run goes on with what the last one has
 * generated.
 *
 * - the request, from `start` to `done`: `actor.ts`, `request_life.ts`, `messages.ts`,
 *   `client_messages.ts`
 * - how it is to be answered, and where: `mode.ts`; `find_route.ts`, `route.ts`
 * - one run of it: `run.ts`, `run_options.ts`, `silence_watch.ts`
 * - lanes, their rows, what the arbiter is told: `lane.ts`, `lane_control.ts`, `lane_rows.ts`,
 *   `row_outbox.ts`
 * - which drafts, how long, whether they pay: `speculation.ts`, `lane_drafts.ts`,
 *   `draft_stock.ts`, `draft_length.ts`, `continuous_drafts.ts`, `pace.ts`
 * - drafts without a model: `instant_drafter.ts`, `earlier_answers.ts`
 * - an answer by its outline: `outline_run.ts`, `ordered_text.ts`
 * - an answer that is held to a grammar: `grammar_rows.ts`, `late_choice.ts`, `grammar.ts`
 * - going on elsewhere: `pipeline_recovery.ts`, `answer_state.ts`, `answer_tracker.ts`
 * - what the response says of itself: `answer_report.ts`, `prompt_scores.ts`
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
