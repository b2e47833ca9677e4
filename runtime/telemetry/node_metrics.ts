/**
 * Counts what happens at a node, and tells it as Prometheus reads it.
 *
 * @module
 */
import type { DraftReport, FrameReport, RebuildReport, StageReport } from "../../actors/mod.ts";
import { type MetricSet, metricSet } from "./metric_set.ts";
import type { KvSample, LinkSample, NodeSample } from "./samples.ts";

/** Reports of actors that are counted; others are passed over. */
type KnownReport = FrameReport | RebuildReport | StageReport | DraftReport;

/** A request of the API that was answered. */
export interface AnsweredRequest {
  /** Pattern of the route, such as `/v1/models/:id`; undefined: there is none. */
  route?: string;
  method: string;
  status: number;
  /** Name of the model that answers; undefined: none does. */
  model?: string;
  /** Until the answer, or the head of a stream, was ready. */
  ms: number;
}

/** What an answer has come to. */
export interface EndedAnswer {
  /** Its finish reason, or `cancelled`, `refused` (before it began) or `failed`. */
  outcome: string;
  /** From the request's arrival. */
  ms: number;
  cachedTokens: number;
  drafted: number;
  accepted: number;
}

/** HTTP methods that are told apart. */
const METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"];

/** See the module's text. Its methods return at once. */
export class NodeMetrics {
  readonly #set: MetricSet = metricSet();

  constructor({ version }: { version: string }) {
    this.#set.build.set({ version }, 1);
  }

  /** Content type of {@linkcode NodeMetrics.text}. */
  get contentType(): string {
    return this.#set.registry.contentType;
  }

  /** Names of all metrics. */
  names(): string[] {
    return this.#set.registry.getMetricsAsArray().map(({ name }) => name);
  }

  /** All metrics, with what is looked at now, in Prometheus' text format. */
  text(sample: NodeSample): Promise<string> {
    this.#look(sample);
    return this.#set.registry.metrics();
  }

  /** Counts what an actor tells. */
  report(report: { readonly type: string }): void {
    const known = report as KnownReport;
    switch (known.type) {
      case "frame":
        return this.#frame(known);
      case "stage":
        return this.#stage(known);
      case "draft":
        return this.#set.drafterSeconds.inc(known.computeMs / 1000);
      case "rebuild":
        this.#set.rebuilds.inc();
        return this.#set.heldSeconds.inc(known.heldMs / 1000);
    }
  }

  /** A request of the API was answered. */
  requested({ route = "none", method, status, model = "", ms }: AnsweredRequest): void {
    const known = METHODS.includes(method) ? method : "other";
    this.#set.requests.inc({ route, method: known, status: String(status), model });
    this.#set.requestSeconds.observe({ route }, ms / 1000);
  }

  /** A request has a place, after it has waited. */
  queued(ms: number): void {
    this.#set.queueSeconds.observe(ms / 1000);
  }

  /** A prompt was taken. */
  prompt(model: string, tokens: number): void {
    this.#set.promptTokens.inc({ model }, tokens);
  }

  /** The first token of an answer came so long after its request. */
  firstToken(model: string, ms: number): void {
    this.#set.firstTokenSeconds.observe({ model }, ms / 1000);
  }

  /** Tokens came together; `gapMs`: since those before, undefined: they are the first. */
  tokens(model: string, count: number, gapMs?: number): void {
    if (count <= 0) return;
    this.#set.generatedTokens.inc({ model }, count);
    if (gapMs === undefined) return;
    for (let i = 0; i < count; i++) {
      this.#set.interTokenSeconds.observe({ model }, gapMs / 1000 / count);
    }
  }

  /** An answer is over. */
  answered(model: string, { outcome, ms, cachedTokens, drafted, accepted }: EndedAnswer): void {
    this.#set.generations.inc({ model, outcome });
    this.#set.answerSeconds.observe({ model }, ms / 1000);
    this.#set.cachedTokens.inc({ model }, cachedTokens);
    this.#set.draftedTokens.inc({ model }, drafted);
    this.#set.acceptedTokens.inc({ model }, accepted);
  }

  /** An actor of this kind has crashed. */
  crashed(kind: string): void {
    this.#set.crashes.inc({ kind });
  }

  /** This node was told of another deployment. */
  deploymentChanged(): void {
    this.#set.deploymentChanges.inc();
  }

  /** The second node has answered an append after `ms`; undefined: it did not. */
  journalled(ms: number | undefined): void {
    if (ms === undefined) this.#set.journalFailures.inc();
    else this.#set.journalSeconds.observe(ms / 1000);
  }

  #frame({ rows, tripMs, stages, activeMs, busyMs, wasted }: FrameReport): void {
    const set = this.#set;
    set.frames.inc();
    for (const [kind, count] of Object.entries(rows)) {
      if (count > 0) set.rows.inc({ kind }, count);
    }
    set.wastedRows.inc(wasted);
    set.frameSeconds.observe(tripMs / 1000);
    set.availableSeconds.inc(stages * activeMs / 1000);
    set.busySeconds.inc(busyMs / 1000);
  }

  #stage({ what, index, rows, busyMs, waitMs }: StageReport): void {
    const labels = { what, index: String(index) };
    this.#set.stageSeconds.inc(labels, busyMs / 1000);
    this.#set.stageRows.inc(labels, rows);
    this.#set.stageWaitSeconds.inc(labels, Math.max(0, waitMs) / 1000);
  }

  #look(sample: NodeSample): void {
    const set = this.#set;
    const { serving, memory, lag, requests, journal } = sample;
    set.serving.set(serving.serves ? 1 : 0);
    set.members.set(serving.members);
    set.residentBytes.set(memory.resident);
    set.stagesBytes.set(memory.stages);
    set.memoryLimitBytes.remove();
    if (memory.limit !== undefined) set.memoryLimitBytes.set(memory.limit);
    set.lag.set({ statistic: "median" }, lag.p50_ms / 1000);
    set.lag.set({ statistic: "p99" }, lag.p99_ms / 1000);
    set.lag.set({ statistic: "max" }, lag.max_ms / 1000);
    set.running.set(requests.running);
    set.waiting.set(requests.waiting);
    set.places.set(requests.most);
    set.encoding.set(sample.encoding);
    set.bodyBytes.set(sample.bodyBytes);
    set.journalLag.set(journal.lag);
    set.journalRequests.set(journal.requests);
    set.journalHeldBytes.set(journal.heldBytes);
    setCount(set.deadLetters, sample.deadLetters);
    this.#lookAtKv(sample.kv);
    this.#lookAtActors(sample.actors);
    this.#lookAtLinks(sample.links);
  }

  #lookAtKv(kv: readonly KvSample[]): void {
    const { kvCapacity, kvWindowed, kvHeld, kvCached, kvWaiting } = this.#set;
    for (const gauge of [kvCapacity, kvWindowed, kvHeld, kvCached, kvWaiting]) gauge.reset();
    for (const { model, capacity, windowed, held, cached, waiting } of kv) {
      kvCapacity.inc({ model }, capacity);
      if (windowed > 0) kvWindowed.inc({ model }, windowed);
      kvHeld.inc({ model }, held);
      kvCached.inc({ model }, cached);
      kvWaiting.inc({ model }, waiting);
    }
  }

  #lookAtActors(actors: NodeSample["actors"]): void {
    const { actors: active, mailbox, mailboxWaiting } = this.#set;
    for (const gauge of [active, mailbox, mailboxWaiting]) gauge.reset();
    for (const { kind, queued, waiting } of actors) {
      active.inc({ kind });
      mailbox.inc({ kind }, queued);
      mailboxWaiting.inc({ kind }, waiting);
    }
  }

  /** Lives of one node are one peer: what they have counted adds up, as far as it is remembered. */
  #lookAtLinks(links: readonly LinkSample[]): void {
    const { linkUp, linkSent, linkReceived, linkRoundTrip, linkQueued, linkReconnects } = this.#set;
    for (const metric of [linkUp, linkRoundTrip, linkQueued]) metric.reset();
    for (const metric of [linkSent, linkReceived, linkReconnects]) metric.reset();
    const up = new Map<string, boolean>();
    for (const link of links) {
      const peer = peerName(link.node);
      up.set(peer, link.up || up.get(peer) === true);
      linkSent.inc({ peer }, link.sentBytes);
      linkReceived.inc({ peer }, link.receivedBytes);
      linkQueued.inc({ peer }, link.queuedBytes);
      linkReconnects.inc({ peer }, link.reconnects);
      if (link.up && link.rttMs !== undefined) linkRoundTrip.set({ peer }, link.rttMs / 1000);
    }
    for (const [peer, is] of up) linkUp.set({ peer }, is ? 1 : 0);
  }
}

/** A node's id without what is another at each start: a label must not take ever new values. */
const peerName = (node: string): string => node.replace(/:[0-9a-f]{4}$/, "");

/** Sets a counter that is counted elsewhere. */
function setCount(counter: MetricSet["deadLetters"], total: number): void {
  counter.reset();
  counter.inc(total);
}
