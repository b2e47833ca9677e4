/**
 * Frames on their way through a simulated pipeline. A host computes one frame at a time and a link
 * carries one at a time; sending overlaps with computing.
 *
 * @module
 */
import { Server, type TimedJob, type VirtualClock } from "./clock.ts";
import { COORDINATOR, type FrameCosts, type Hop } from "./costs.ts";
import type { PipelineEvent } from "./options.ts";
import type { FramePart } from "./request.ts";
import type { SpanKind, TraceSpan } from "./trace.ts";

/** A frame of a simulation. */
export interface SimFrame {
  /** Kind of its spans in the trace. */
  kind: SpanKind;
  /** Its text in the trace. */
  label: string;
  /** What it carries. */
  parts: FramePart[];
  /** Its rows. */
  rows: number;
  /** Rows before it that its rows attend to. */
  past: number;
  /** Rows whose next token is wanted. */
  wanted: number;
  /** When the coordinator found that it is not needed any more; undefined: it is needed. */
  cancelled_s?: number;
  /** How many stages have computed it. */
  computed: number;
  /** Its spans in the trace. */
  spans: TraceSpan[];
}

/** A draft to be made. */
export interface DraftWork {
  /** Tokens to draft. */
  tokens: number;
  /** Its text in the trace. */
  label: string;
  /** Seconds until the drafter has the request; 0: it has it already. */
  reach_s: number;
  /** Whether the draft is still wanted. */
  wanted(): boolean;
  /** Called when the draft is back at the coordinator. */
  done(): void;
}

/** A way over one link. */
interface Way {
  /** Name of the host at its beginning. */
  a: string;
  /** Name of the host at its end. */
  b: string;
  /** The stage, or {@linkcode COORDINATOR}, that would know first that the frame is stale. */
  at: number;
  /** Its transfer. */
  hop(): Hop;
}

type LinkEvent = Extract<PipelineEvent, { kind: "link" }>;

/** Moves frames along their routes and writes the trace. */
export class SimulatedPipeline {
  /** All work so far. */
  readonly trace: TraceSpan[] = [];
  /** Frames on their way, in the order in which they were sent. */
  readonly flying = new Set<SimFrame>();
  /** Frames that were dropped on their way. */
  cancelledFrames = 0;
  #clock: VirtualClock;
  #costs: FrameCosts;
  #servers = new Map<string, Server>();
  #changes: LinkEvent[] = [];
  /** Number of the epoch. A death begins a new one, and frames of earlier ones do not arrive. */
  #epoch = 0;

  constructor(clock: VirtualClock, costs: FrameCosts) {
    this.#clock = clock;
    this.#costs = costs;
  }

  /** Costs of the current pipeline. */
  get costs(): FrameCosts {
    return this.#costs;
  }

  /** The route through all stages, with the coordinator at both ends. */
  get wholeRoute(): number[] {
    return [COORDINATOR, ...this.#costs.hosts.keys(), COORDINATOR];
  }

  /**
   * Sends a frame along a route. Each stage of the route but its first entry computes it. `arrived`
   * is called at the route's end.
   */
  send(frame: SimFrame, route: number[], arrived: () => void): void {
    this.flying.add(frame);
    this.#travel(frame, route, arrived);
  }

  /**
   * Lets the drafter draft, and calls `done` when the draft is back. Nothing is drafted where
   * `wanted` is false when the drafter's turn comes. Returns a function that ends drafting.
   */
  draft(drafter: NonNullable<FrameCosts["draft"]>, work: DraftWork): () => void {
    const { host, reach_s } = drafter;
    const { tokens, label, wanted, done } = work;
    const record = (kind: SpanKind) => (start_s: number) =>
      this.trace.push({
        lane: `drafter · ${host}`,
        kind,
        label,
        start_s,
        end_s: this.#clock.now,
      });
    const job: TimedJob = {
      begin: () => wanted() ? drafter.seconds(tokens) : undefined,
      end: (start_s) => {
        record("draft")(start_s);
        this.#clock.at(this.#clock.now + reach_s, done);
      },
      cut: record("wasted"),
    };
    this.#clock.at(this.#clock.now + work.reach_s, () => {
      if (wanted()) this.#server(host).push(job);
    });
    return () => this.#server(host).remove(job);
  }

  /** Changes a link from now on. */
  changeLink(event: LinkEvent): void {
    this.#changes.push(event);
  }

  /** Everything on its way is lost; work that has begun ends now. */
  stop(): void {
    this.#epoch++;
    for (const server of this.#servers.values()) server.clear();
    this.flying.clear();
  }

  /** Continues with another pipeline. */
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

  /** Moves a frame to the next entry of its route. */
  #travel(frame: SimFrame, route: number[], arrived: () => void): void {
    const [from, to] = route;
    if (to === undefined) {
      this.flying.delete(frame);
      return arrived();
    }
    if (to === COORDINATOR && this.#costs.head && frame.wanted > 0) {
      return this.#shareHead(frame, from, () => this.#travel(frame, route.slice(1), arrived));
    }
    this.#carry(frame, this.#between(from, to, frame), () => {
      const onward = () => this.#travel(frame, route.slice(1), arrived);
      if (to === COORDINATOR) onward();
      else this.#compute(frame, to, onward);
    });
  }

  /** Sends the wanted rows to all shares of the head; `then` is called after the last answer. */
  #shareHead(frame: SimFrame, stage: number, then: () => void): void {
    const head = this.#costs.head!;
    const [from, to] = [this.#hostOf(stage), this.#costs.coordinator];
    let open = head.hosts.length;
    let dropped = false;
    for (const [i, host] of head.hosts.entries()) {
      const rows = { a: from, b: host, at: stage, hop: () => head.rows(i, frame.wanted) };
      this.#carry(frame, rows, () => {
        this.#server(host).push({
          begin: () => {
            if (!this.#isStale(frame, stage)) return head.seconds(i, frame.wanted);
            if (!dropped) this.#drop(frame);
            dropped = true;
          },
          end: (start_s) => {
            const kind = frame.cancelled_s === undefined ? frame.kind : "wasted";
            this.#record(frame, { lane: `head ${i} · ${host}`, kind, start_s });
            const answer = { a: host, b: to, at: stage, hop: () => head.answer(i, frame.wanted) };
            this.#carry(frame, answer, () => {
              if (--open === 0 && !dropped) then();
            });
          },
          cut: (start_s) =>
            this.#record(frame, { lane: `head ${i} · ${host}`, kind: "wasted", start_s }),
        });
      });
    }
  }

  /** The way between two entries of a route. */
  #between(from: number, to: number, frame: SimFrame): Way {
    const rows = to === COORDINATOR ? frame.wanted : frame.rows;
    return {
      a: this.#hostOf(from),
      b: this.#hostOf(to),
      at: from,
      hop: () => this.#costs.hop(from, to, rows),
    };
  }

  /** Moves a frame over one link. */
  #carry(frame: SimFrame, { a, b, at, hop: of }: Way, then: () => void): void {
    if (a === b) return then();
    const epoch = this.#epoch;
    const given = of();
    let hop: Hop;
    const lane = `${a} → ${b}`;
    this.#server(given.channel ?? lane).push({
      begin: () => {
        if (this.#isStale(frame, at)) return this.#drop(frame);
        hop = this.#changed({ a, b }, given);
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

  /** Computes a frame at one stage. */
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
    if (at.start_s === this.#clock.now) return; // an empty span would not be visible
    const span = { ...at, label: frame.label, end_s: this.#clock.now };
    frame.spans.push(span);
    this.trace.push(span);
  }

  /** Whether the frame is not needed any more, and the stage that has it knows. */
  #isStale(frame: SimFrame, at: number): boolean {
    if (frame.cancelled_s === undefined) return false;
    if (this.#hostOf(at) === this.#costs.coordinator) return true;
    const ends = { a: this.#costs.coordinator, b: this.#hostOf(at) };
    const { latency_s } = this.#changed(ends, this.#costs.hop(COORDINATOR, at, 0));
    return this.#clock.now >= frame.cancelled_s + latency_s;
  }

  #drop(frame: SimFrame): undefined {
    if (!this.flying.has(frame)) return;
    this.cancelledFrames++;
    this.flying.delete(frame);
    this.settled?.(frame);
  }

  /** Called for each frame that was dropped on its way; undefined: nobody is told. */
  settled: ((frame: SimFrame) => void) | undefined;

  /** A transfer, with all changes of its link so far. */
  #changed({ a, b }: { a: string; b: string }, given: Hop): Hop {
    const hop = { ...given };
    for (const change of this.#changes) {
      if ((change.from ?? a) !== a || (change.to ?? b) !== b) continue;
      hop.latency_s = change.latency_s ?? hop.latency_s;
      hop.bytes_per_s = change.bytes_per_s ?? hop.bytes_per_s;
    }
    return hop;
  }
}
