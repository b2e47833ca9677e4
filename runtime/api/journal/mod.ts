/**
 * The API's side of the journal: what is recorded of a request, how it is run again, and how a client
 * that comes back gets the rest.
 *
 * @module
 */
export {
  type JournalledAnswer,
  JournalledAnswers,
  type JournalledOptions,
  type RouteRequest,
} from "./answers.ts";
export { EventIds, streamPosition } from "./sse_ids.ts";
