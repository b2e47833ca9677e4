/**
 * What is looked at when somebody asks for the metrics, and not counted as it happens.
 *
 * @module
 */

/** A node at one moment. */
export interface NodeSample {
  /** Whether a deployment serves, and how many nodes take part in it. */
  serving: { serves: boolean; members: number };
  /** Bytes; `limit`: of stages, undefined: nobody said. */
  memory: { resident: number; stages: number; limit?: number };
  /** Lags of the event loop in the last minute, milliseconds. */
  lag: { p50_ms: number; p99_ms: number; max_ms: number };
  requests: { running: number; waiting: number; most: number };
  /** Large prompts that wait to be turned into tokens. */
  encoding: number;
  /** Bytes of request bodies. */
  bodyBytes: number;
  kv: readonly KvSample[];
  actors: readonly ActorSample[];
  /** Since the system was made. */
  deadLetters: number;
  links: readonly LinkSample[];
  journal: { lag: number; requests: number; heldBytes: number };
}

/** The KV rows of an arena of this node's requests. */
export interface KvSample {
  /** Name of the served model. */
  model: string;
  capacity: number;
  /** Rows for which windowed layers have room; 0: there are none. */
  windowed: number;
  /** Rows that requests hold. */
  held: number;
  /** Rows kept for later requests. */
  cached: number;
  /** Requests that wait for rows. */
  waiting: number;
}

/** An active actor. */
export interface ActorSample {
  kind: string;
  /** Messages in its mailbox. */
  queued: number;
  /** Senders that wait for a place in it. */
  waiting: number;
}

/** The link to another node; counts are since the link's begin. */
export interface LinkSample {
  /** Id of the node. */
  node: string;
  up: boolean;
  sentBytes: number;
  receivedBytes: number;
  queuedBytes: number;
  reconnects: number;
  /** Milliseconds; undefined: no ping was answered yet. */
  rttMs?: number;
}
