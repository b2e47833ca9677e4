/**
 * What a simulation does when a host dies: lost frames, the pause, and the replay of live rows.
 *
 * @module
 */
import type { VirtualClock } from "./clock.ts";
import type { FrameQueue } from "./frame_queue.ts";
import type { PipelineEvent } from "./options.ts";
import type { SimFrame, SimulatedPipeline } from "./pipeline.ts";
import { replayFrames } from "./replay.ts";
import type { FramePart, SimulatedDraft, SimulatedLane } from "./request.ts";

/** The death of a host. */
export type Death = Extract<PipelineEvent, { kind: "death" }>;

/** What a recovery needs of the coordinator. */
export interface Recovering {
  clock: VirtualClock;
  pipeline: SimulatedPipeline;
  /** Rows of the frames that are replayed. */
  pieceRows: number;
  /** Whether drafts come from the pipeline's drafter. */
  modelDrafter: boolean;
  /** Rows that wait to be sent. */
  ready: FrameQueue;
  /** Drafts by lane. */
  drafts: Map<SimulatedLane, SimulatedDraft>;
  /** Rows in the arena. */
  liveRows(): number;
  /** Removes the rows of a lost part from the arena. */
  forget(part: FramePart): void;
  /** Counts a lost frame. */
  account(frame: SimFrame): void;
  /** Called when everything on its way was lost. */
  stopped(): void;
  /** Continues these lanes, and sends what waits. */
  resume(lanes: SimulatedLane[]): void;
}

/** See the module's text. */
export class Recovery {
  /** Seconds in which nothing ran because a host had died. */
  paused_s = 0;
  readonly #of: Recovering;
  /** Since when nothing runs because a host has died, in seconds; undefined: the pipeline runs. */
  #since_s: number | undefined;
  /** Number of deaths so far. Only the last one's recovery is finished. */
  #deaths = 0;
  /** Lanes whose rows were lost with a host. */
  #lostLanes = new Set<SimulatedLane>();

  constructor(of: Recovering) {
    this.#of = of;
  }

  /** Whether nothing may be sent now. */
  get paused(): boolean {
    return this.#since_s !== undefined;
  }

  /**
   * A host dies: everything on its way is lost. Once the death is known and the layers are loaded,
   * the live rows are replayed, then all requests continue.
   */
  die(event: Death): void {
    const { clock, pipeline, ready, drafts } = this.#of;
    if (!pipeline.costs.hosts.includes(event.host)) return this.#dieAside(event);
    // A death during a recovery: it is not known what the recovery has fed already, so all stages
    // are fed again.
    const interrupted = this.paused;
    const since_s = this.#since_s ??= clock.now;
    const death = ++this.#deaths;
    for (const lane of drafts.keys()) this.#lostLanes.add(lane);
    ready.pushFirst(this.#lose());
    drafts.clear();
    clock.at(clock.now + event.detection_s + event.load_s, () => {
      if (death !== this.#deaths) return;
      pipeline.replace(event.costs);
      const stages = interrupted ? [...event.costs.hosts.keys()] : event.replaced;
      this.#replay(stages, () => {
        this.#since_s = undefined;
        this.paused_s += clock.now - since_s;
        pipeline.trace.push({
          lane: "coordinator",
          kind: "idle",
          label: `paused: ${event.host} died`,
          start_s: since_s,
          end_s: clock.now,
        });
        const lanes = [...this.#lostLanes];
        this.#lostLanes.clear();
        this.#of.resume(lanes);
      });
    });
  }

  /** Stops the pipeline, and returns the parts that must be sent again as they are. */
  #lose(): FramePart[] {
    const { pipeline, forget, account, stopped } = this.#of;
    const lost = [...pipeline.flying];
    pipeline.stop();
    stopped();
    const again: FramePart[] = [];
    for (const frame of lost) {
      const repeated = frame.parts.filter((p) => !p.stale);
      for (const part of frame.parts) {
        part.useless = part.rows;
        if (part.stale) continue;
        forget(part);
        if (part.lane) part.lane.flying = [];
      }
      account(frame);
      for (const part of repeated) {
        if (part.lane && part.lane.past > 0) this.#lostLanes.add(part.lane);
        else again.push({ ...part, useless: 0 });
      }
    }
    return again;
  }

  /**
   * A host without a stage dies. Its drafts are lost, and their lanes continue without them once
   * that is known. A share of the head is then computed by the last stage.
   */
  #dieAside(event: Death): void {
    const { clock, pipeline, drafts, modelDrafter } = this.#of;
    const drafting = modelDrafter && pipeline.costs.draft?.host === event.host;
    const waiting: SimulatedLane[] = [];
    for (const [lane, draft] of drafting ? drafts : []) {
      if (draft.drafted) continue;
      drafts.delete(lane);
      draft.abort();
      if (!draft.ahead) waiting.push(lane);
    }
    if (!this.paused) pipeline.replace(event.costs);
    clock.at(clock.now + event.detection_s, () => this.#of.resume(waiting));
  }

  /** Replays the live rows at stages without a KV cache. */
  #replay(stages: number[], done: () => void): void {
    const { pipeline, account, liveRows, pieceRows } = this.#of;
    const jobs = replayFrames(stages, liveRows(), pieceRows);
    let left = jobs.length;
    if (left === 0) return done();
    for (const { rows, past, route } of jobs) {
      const label = `replay of ${rows} rows`;
      const frame: SimFrame = {
        kind: "prefill",
        label,
        parts: [],
        rows,
        past,
        wanted: 0,
        computed: 0,
        spans: [],
      };
      pipeline.send(frame, route, () => {
        account(frame);
        if (--left === 0) done();
      });
    }
  }
}
