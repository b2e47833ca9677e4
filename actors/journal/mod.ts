/**
 * The journal: requests survive the node that answers them.
 *
 * Each node has a journal. It runs the node's requests, has each record of their answers kept by a
 * second node before a client is told, and keeps the records of other nodes in turn. When a node is
 * gone, the one with the copies goes on with its requests; the registry sees to it that it is the
 * only one.
 *
 * | file             | what it does                                                             |
 * | ---------------- | ------------------------------------------------------------------------ |
 * | `entry.ts`       | one request: its records, and which of them are certain                  |
 * | `journal.ts`     | runs and tells the requests of a node                                    |
 * | `writer.ts`      | has them kept by the second node; chooses it                             |
 * | `held.ts`        | copies of other nodes' requests                                          |
 * | `takeover.ts`    | goes on with the requests of a node that is gone                         |
 * | `requests.ts`    | begins requests, and finds those of any node                             |
 * | `keys.ts`        | idempotency keys                                                         |
 *
 * @module
 */
export * from "./actor.ts";
export * from "./entry.ts";
export * from "./errors.ts";
export * from "./journal.ts";
export * from "./keys.ts";
export * from "./requests.ts";
export { HeldJournals } from "./held.ts";
export {
  type AppendedMessage,
  type AppendMessage,
  type JournalOp,
  type ReadAnswer,
} from "./messages.ts";
export { decodeJournalRecord, journalKey, type JournalRecord, JOURNALS } from "./record.ts";
