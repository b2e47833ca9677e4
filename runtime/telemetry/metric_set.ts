/**
 * The metrics of a node, by name: what `GET /metrics` tells.
 *
 * Names and units are Prometheus' own rules: the prefix `orrery_`, base units (seconds, bytes), and
 * `_total` for what only grows. Labels take few values: routes, status codes, names of served
 * models, kinds of actors, indices of stages, nodes of the cluster. None is what a client wrote.
 *
 * @module
 */
import { Counter, Gauge, Histogram, Registry } from "prom-client";

/** Upper bounds of waits that people notice, seconds. */
const WAITS_S = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
/** Upper bounds of times of a frame, a token or an acknowledged write, seconds. */
const STEPS_S = [0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2.5];
/** Upper bounds of whole answers, seconds. */
const ANSWERS_S = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320];

/** All metrics, and the registry that has them. */
export type MetricSet = ReturnType<typeof metricSet>;

/** Makes the metrics of one node, in a registry of their own. */
export function metricSet() {
  const registry = new Registry();
  const registers = [registry];
  const counter = <L extends string = never>(name: string, help: string, labelNames: L[] = []) =>
    new Counter({ name: `orrery_${name}`, help, labelNames, registers });
  const gauge = <L extends string = never>(name: string, help: string, labelNames: L[] = []) =>
    new Gauge({ name: `orrery_${name}`, help, labelNames, registers });
  const histogram = <L extends string = never>(
    name: string,
    help: string,
    { buckets, labels = [] }: { buckets: number[]; labels?: L[] },
  ) => new Histogram({ name: `orrery_${name}`, help, labelNames: labels, buckets, registers });

  return {
    registry,

    // The node and its process.
    build: gauge("build_info", "1; the label is the version of the program", ["version"]),
    serving: gauge("serving", "1 while this node can pass requests to a deployment, else 0"),
    members: gauge("deployment_members", "Nodes that take part in the default deployment"),
    deploymentChanges: counter(
      "deployment_changes_total",
      "Times that this node was told of another deployment, or that none serves",
    ),
    residentBytes: gauge("process_resident_memory_bytes", "Resident memory of the node's process"),
    stagesBytes: gauge("stages_memory_bytes", "Memory that this node's stages were given"),
    memoryLimitBytes: gauge(
      "stages_memory_limit_bytes",
      "Memory that this node's stages may use; no sample where nobody said",
    ),
    lag: gauge(
      "event_loop_lag_seconds",
      "How late what should run is run, over the last minute: its median, p99 and max",
      ["statistic"],
    ),

    // Requests of the API.
    requests: counter("http_requests_total", "Requests of the API that were answered", [
      "route",
      "method",
      "status",
      "model",
    ]),
    requestSeconds: histogram(
      "http_request_duration_seconds",
      "Until an answer, or the head of a stream, was ready",
      { buckets: WAITS_S, labels: ["route"] },
    ),
    bodyBytes: gauge("http_body_bytes", "Bytes of request bodies that are held"),
    running: gauge("requests_running", "Requests that have a place"),
    waiting: gauge("requests_waiting", "Requests that wait for a place"),
    places: gauge("requests_limit", "Most requests that may run and wait together"),
    encoding: gauge(
      "prompts_encoding",
      "Large prompts that are turned into tokens, or wait for it",
    ),
    queueSeconds: histogram("queue_wait_seconds", "How long requests waited for a place", {
      buckets: WAITS_S,
    }),

    // Answers.
    generations: counter(
      "generations_total",
      "Answers that ended, by their finish reason, or as cancelled, refused or failed",
      ["model", "outcome"],
    ),
    promptTokens: counter("prompt_tokens_total", "Tokens of prompts", ["model"]),
    cachedTokens: counter(
      "prompt_cached_tokens_total",
      "Tokens of prompts that were kept from earlier requests",
      ["model"],
    ),
    generatedTokens: counter("generated_tokens_total", "Tokens that were generated", ["model"]),
    firstTokenSeconds: histogram(
      "time_to_first_token_seconds",
      "From a request's arrival to the first token that its client is given",
      { buckets: WAITS_S, labels: ["model"] },
    ),
    interTokenSeconds: histogram(
      "inter_token_seconds",
      "Between a token and the next one of a request; tokens that come together share the time",
      { buckets: STEPS_S, labels: ["model"] },
    ),
    answerSeconds: histogram("generation_duration_seconds", "Whole answers, the queue included", {
      buckets: ANSWERS_S,
      labels: ["model"],
    }),
    draftedTokens: counter("drafted_tokens_total", "Tokens that were drafted", ["model"]),
    acceptedTokens: counter("accepted_tokens_total", "Drafted tokens that came true", ["model"]),
    drafterSeconds: counter(
      "drafter_busy_seconds_total",
      "Time that this node's draft model computed",
    ),

    // Frames of this node's requests.
    frames: counter("frames_total", "Frames that came back"),
    rows: counter("frame_rows_total", "Rows of the frames that came back", ["kind"]),
    wastedRows: counter("wasted_rows_total", "Rows that were dropped after they had been sent"),
    frameSeconds: histogram("frame_duration_seconds", "From sending a frame to its answer", {
      buckets: STEPS_S,
    }),
    availableSeconds: counter(
      "pipeline_available_seconds_total",
      "Time in which a frame was under way, times the number of stages",
    ),
    busySeconds: counter(
      "pipeline_busy_seconds_total",
      "Of the available time, that for which stages computed; the rest is bubbles",
    ),
    rebuilds: counter(
      "pipeline_rebuilds_total",
      "Times that a pipeline went on after stages were lost or replaced",
    ),
    heldSeconds: counter(
      "pipeline_held_seconds_total",
      "Time for which requests were held until their pipeline was rebuilt",
    ),
    kvCapacity: gauge("kv_rows_capacity", "Rows that the open arenas have room for", ["model"]),
    kvWindowed: gauge(
      "kv_window_rows_capacity",
      "Rows that windowed layers have room for in the open arenas",
      ["model"],
    ),
    kvHeld: gauge("kv_rows_held", "Rows of the KV cache that requests hold", ["model"]),
    kvCached: gauge("kv_rows_cached", "Rows kept for later requests, which may be given up", [
      "model",
    ]),
    kvWaiting: gauge("kv_requests_waiting", "Requests that wait for rows of the KV cache", [
      "model",
    ]),

    // Stages at this node, of any node's requests.
    stageSeconds: counter(
      "stage_busy_seconds_total",
      "Time that a stage, or a shard of the LM head, at this node computed",
      ["what", "index"],
    ),
    stageRows: counter("stage_rows_total", "Rows that a stage or a shard at this node has run", [
      "what",
      "index",
    ]),
    stageWaitSeconds: counter(
      "stage_wait_seconds_total",
      "Time that frames waited in the mailbox of a stage or a shard at this node",
      ["what", "index"],
    ),

    // Actors.
    actors: gauge("actors", "Actors that are active", ["kind"]),
    mailbox: gauge("mailbox_messages", "Messages in the mailboxes of active actors", ["kind"]),
    mailboxWaiting: gauge("mailbox_senders_waiting", "Senders that wait for a place in a mailbox", [
      "kind",
    ]),
    crashes: counter("actor_crashes_total", "Actors that crashed and begin anew", ["kind"]),
    deadLetters: counter("dead_letters_total", "Messages that nobody handled"),

    // Links to other nodes.
    linkUp: gauge("link_up", "1 while the link to a node is up, else 0", ["peer"]),
    linkSent: counter("link_sent_bytes_total", "Bytes of messages written to a node", ["peer"]),
    linkReceived: counter("link_received_bytes_total", "Bytes of messages read from a node", [
      "peer",
    ]),
    linkRoundTrip: gauge("link_round_trip_seconds", "Round trip of the last ping", ["peer"]),
    linkQueued: gauge("link_queued_bytes", "Bytes that a node has not acknowledged", ["peer"]),
    linkReconnects: counter("link_reconnects_total", "Connections that were opened again", [
      "peer",
    ]),

    // The journal of this node's requests.
    journalLag: gauge(
      "journal_lag_records",
      "Records of this node's requests that the second node has not acknowledged",
    ),
    journalRequests: gauge("journal_requests", "Requests that this node's journal keeps"),
    journalHeldBytes: gauge("journal_held_bytes", "Copies of other nodes' requests"),
    journalSeconds: histogram("journal_append_seconds", "Until the second node acknowledged", {
      buckets: STEPS_S,
    }),
    journalFailures: counter("journal_append_failures_total", "Appends that were not acknowledged"),
  };
}
