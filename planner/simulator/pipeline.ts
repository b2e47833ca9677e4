/**
 * Frames on their way: hosts compute one frame at a time, links carry one at a time, sending
 * overlaps computing.
 *
 * @module
 */
import { type Job, Server, type VirtualClock } from "./clock.ts";
import { COORDINATOR, type FrameCosts, type Hop } from "./costs.ts";
import type { PipelineEvent } from "./options.ts";
import type { FramePart } from "./request.ts";
import type { SpanKind, TraceSpan } from "./trace.ts";

/** A frame that goes out. */
export interface SimFrame {
  kind: SpanKind;
  label: string;
  parts: FramePart[];
  rows: number;
  past: number;
  wanted: number;
  /** When the coordinator found it of no use. */
  cancelled_s?: number;
  /** Stages that have computed it. */
  computed: number;
  spans: TraceSpan[];
}

type LinkEvent = Extract<PipelineEvent, { kind: "link" }>;

/** Carries frames along their routes and writes the trace. */
export class Pipeline {
  readonly trace: TraceSpan[] = [];
  /** Frames under way, in order. */
  readonly flying = new Set<SimFrame>();
  cancelledFrames = 0;
  #clock: VirtualClock;
  #costs: FrameCosts;
  #servers = new Map<string, Server>();
  #changes: LinkEvent[] = [];
  /** What is under way belongs to an epoch; a death ends it. */
  #epoch = 0;

  constructor(clock: VirtualClock, costs: FrameCosts) {
    this.#clock = clock;
    this.#costs = costs;
  }

  get costs(): FrameCosts {
    return this.#costs;
  }

  /** Stages of the pipeline, with the coordinator at both ends. */
  get wholeRoute(): number[] {
    return [COORDINATOR, ...this.#costs.hosts.keys(), COORDINATOR];
  }

  /**
   * Sends a frame along a route; it is computed at each stage but the first entry. `arrived` is
   * called at its end.
   */
  send(frame: SimFrame, route: number[], arrived: () => void): void {
    this.flying.add(frame);
    this.#travel(frame, route, arrived);
  }

  /** Anything else that keeps a host busy. The job can be taken out with {@linkcode remove}. */
  occupy(host: string, job: Job): void {
    this.#server(host).push(job);
  }

  remove(host: string, job: Job): void {
    this.#server(host).remove(job);
  }

  /** From now on a link is as the event says. */
  changeLink(event: LinkEvent): void {
    this.#changes.push(event);
  }

  /** Everything under way is lost; what has begun ends now. */
  stop(): void {
    this.#epoch++;
    for (const server of this.#servers.values()) server.clear();
    this.flying.clear();
  }

  /** Goes on with another pipeline. */
  replace(costs: FrameCosts): void {
    this.#costs = costs;
  }

  #server(name: string): Server {
    let server = this.#servers.get(name);
    if (!server) this.#servers.set(name, server = new Server(this.#clock));
    return server;
  }

  #hostOf(stage: number): string {
    return stage === COORDINATOR ? this.#costs.coordinator : this.#costs.hosts[stage];
  }

  #travel(frame: SimFrame, route: number[], arrived: () => void): void {
    const [from, to] = route;
    if (to === undefined) {
      this.flying.delete(frame);
      return arrived();
    }
    this.#carry(frame, { from, to }, () => {
      const onward = () => this.#travel(frame, route.slice(1), arrived);
      if (to === COORDINATOR) onward();
      else this.#compute(frame, to, onward);
    });
  }

  #carry(frame: SimFrame, { from, to }: { from: number; to: number }, then: () => void): void {
    const [a, b] = [this.#hostOf(from), this.#hostOf(to)];
    if (a === b) return then();
    const epoch = this.#epoch;
    const rows = to === COORDINATOR ? frame.wanted : frame.rows;
    let hop: Hop;
    const lane = `${a} → ${b}`;
    this.#server(lane).push({
      begin: () => {
        if (this.#isStale(frame, from)) return this.#drop(frame);
        hop = this.#hop(from, to, rows);
        return hop.bytes / hop.bytes_per_s;
      },
      end: (start_s) => {
        this.#record(frame, { lane, kind: "transfer", start_s });
        this.#clock.at(this.#clock.now + hop.latency_s, () => {
          if (epoch === this.#epoch) then();
        });
      },
      cut: (start_s) => this.#record(frame, { lane, kind: "wasted", start_s }),
    });
  }

  #compute(frame: SimFrame, stage: number, then: () => void): void {
    const host = this.#hostOf(stage);
    const lane = `stage ${stage} · ${host}`;
    this.#server(host).push({
      begin: () => {
        if (this.#isStale(frame, stage)) return this.#drop(frame);
        return this.#costs.stageSeconds(stage, frame);
      },
      end: (start_s) => {
        frame.computed++;
        this.#record(frame, {
          lane,
          kind: frame.cancelled_s === undefined ? frame.kind : "wasted",
          start_s,
        });
        then();
      },
      cut: (start_s) => {
        frame.computed++;
        this.#record(frame, { lane, kind: "wasted", start_s });
      },
    });
  }

  #record(frame: SimFrame, at: { lane: string; kind: SpanKind; start_s: number }): void {
    if (at.start_s === this.#clock.now) return; // nobody can see it
    const span = { ...at, label: frame.label, end_s: this.#clock.now };
    frame.spans.push(span);
    this.trace.push(span);
  }

  /** Has the word that a frame is of no use come to where it is? */
  #isStale(frame: SimFrame, at: number): boolean {
    if (frame.cancelled_s === undefined) return false;
    if (this.#hostOf(at) === this.#costs.coordinator) return true;
    return this.#clock.now >= frame.cancelled_s + this.#hop(COORDINATOR, at, 0).latency_s;
  }

  #drop(frame: SimFrame): undefined {
    this.cancelledFrames++;
    this.flying.delete(frame);
    this.settled?.(frame);
  }

  /** Called for each frame that was dropped on its way. */
  settled: ((frame: SimFrame) => void) | undefined;

  #hop(from: number, to: number, rows: number): Hop {
    const hop = { ...this.#costs.hop(from, to, rows) };
    const [a, b] = [this.#hostOf(from), this.#hostOf(to)];
    for (const change of this.#changes) {
      if ((change.from ?? a) !== a || (change.to ?? b) !== b) continue;
      hop.latency_s = change.latency_s ?? hop.latency_s;
      hop.bytes_per_s = change.bytes_per_s ?? hop.bytes_per_s;
    }
    return hop;
  }
}
