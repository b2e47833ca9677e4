/**
 * The coordinator of a simulation: requests, lanes, and which rows go into the next frame.
 *
 * @module
 */
import type { z } from "zod";
import type { Job, VirtualClock } from "./clock.ts";
import { Luck, treeRows } from "./luck.ts";
import type { PipelineEvent, policySchema, simulationOptionsSchema } from "./options.ts";
import type { Pipeline, SimFrame } from "./pipeline.ts";
import { FrameQueue, isBranchPrompt } from "./frame_queue.ts";
import { type FramePart, type Lane, partOf, piecesOf, SimRequest } from "./request.ts";
import type { SpanKind } from "./trace.ts";

type Policy = z.output<typeof policySchema>;
type Options = z.output<typeof simulationOptionsSchema>;
type Death = Extract<PipelineEvent, { kind: "death" }>;

/** A draft under way for a lane, or drafted rows that only wait for their slot. */
interface Draft {
  part: FramePart;
  /** Is the part ahead of what is known? */
  ahead: boolean;
  drafted: boolean;
  abort: () => void;
}

/** Decides what runs, as the real Generation and arbiter do. */
export class Coordinator {
  readonly requests: SimRequest[];
  frames = 0;
  decodeFrames = 0;
  decodeRows = 0;
  computedRows = 0;
  wastedRows = 0;
  paused_s = 0;
  #clock: VirtualClock;
  #pipeline: Pipeline;
  #policy: Policy;
  #options: Options;
  #luck: Luck;
  #inFlight = 0;
  /** Since when nothing runs because a node has died. */
  #pausedSince_s: number | undefined;
  /** Counts deaths: only the last one's recovery goes on. */
  #deaths = 0;
  /** Lanes whose rows were lost with a node. */
  #lostLanes = new Set<Lane>();
  /** Rows that stand in the arena. */
  #arena = 0;
  #ready: FrameQueue;
  #drafts = new Map<Lane, Draft>();
  /** Results and arrivals are taken in whole before the next frame is filled. */
  #held = false;

  constructor(
    clock: VirtualClock,
    pipeline: Pipeline,
    setup: { policy: Policy; options: Options },
  ) {
    this.#clock = clock;
    this.#pipeline = pipeline;
    this.#policy = setup.policy;
    this.#options = setup.options;
    const { acceptance, second_share: secondShare, seed } = setup.options;
    this.#ready = new FrameQueue(setup.policy.rows_per_frame);
    this.#luck = new Luck({ acceptance, secondShare }, seed);
    this.requests = setup.options.requests.map(({ at }, i) => new SimRequest(i, at));
    pipeline.settled = (frame) => this.#account(frame);
    for (const request of this.requests) clock.at(request.at_s, () => this.#arrive(request));
  }

  get over(): boolean {
    return this.requests.every((r) => r.finish_s !== undefined);
  }

  /** Accounts for what is still under way when the last request is over. */
  close(): void {
    const left = [...this.#pipeline.flying];
    this.#pipeline.stop();
    for (const frame of left) {
      for (const part of frame.parts) part.useless = part.rows;
      this.#account(frame);
    }
  }

  #arrive(request: SimRequest): void {
    request.phases.push({ kind: "prefill", label: "prompt", start_s: this.#clock.now });
    let first = 0;
    const pieces = piecesOf(this.#options.prompt, this.#policy.pieces);
    for (const [i, rows] of pieces.entries()) {
      const wanted = i === pieces.length - 1 ? 1 : 0;
      this.#ready.push({
        ...partOf(request, {
          rows,
          past: first,
          kind: "prefill",
          label: `piece ${i} (${rows} rows)`,
        }),
        wanted,
        piece: { first },
      });
      first += rows;
    }
    this.#pump();
  }

  // ---- what goes out

  /** Takes something in, then fills free slots. */
  #takeIn(change: () => void): void {
    this.#held = true;
    change();
    this.#held = false;
    this.#pump();
  }

  #pump(): void {
    if (this.#held) return;
    this.#held = true;
    const window = this.#policy.window ?? this.#pipeline.costs.hosts.length + 1;
    while (this.#pausedSince_s === undefined && this.#inFlight < window) {
      const parts = this.#choose();
      if (parts.length === 0) break;
      this.#dispatch(parts);
    }
    this.#held = false;
  }

  /** What waits for a slot; guesses go when nothing does. */
  #choose(): FramePart[] {
    const treeOf = (part: FramePart) => this.#tree(part.lane!);
    const parts = this.#ready.next(treeOf);
    if (parts.length > 0) return parts;
    const guesses = [...this.#drafts.values()].filter((d) => d.ahead && d.drafted).map((d) =>
      d.part
    );
    const packed = guesses.length > 0
      ? this.#ready.pack(guesses, { first: guesses[0], treeOf })
      : [];
    for (const part of packed) this.#drafts.delete(part.lane!);
    return packed;
  }

  #dispatch(parts: FramePart[]): void {
    const rows = sum(parts.map((p) => p.rows));
    const frame: SimFrame = {
      kind: parts[0].kind,
      label: parts.map((p) => `request ${p.request.index}, ${p.label}`).join("; "),
      parts,
      rows,
      past: this.#options.past === "arena" ? this.#arena : Math.max(...parts.map((p) => p.past)),
      wanted: sum(parts.map((p) => p.wanted)),
      computed: 0,
      spans: [],
    };
    this.#inFlight++;
    this.frames++;
    this.#arena += rows;
    if (!parts[0].piece && !isBranchPrompt(parts[0])) {
      this.decodeFrames++;
      this.decodeRows += rows;
    }
    for (const part of parts) {
      part.request.rows += part.rows;
      part.lane?.flying.push(part);
    }
    this.#pipeline.send(frame, this.#pipeline.wholeRoute, () => this.#returned(frame));
    for (const part of parts) if (part.lane) this.#goAhead(part.lane);
  }

  // ---- what comes back

  #returned(frame: SimFrame): void {
    if (frame.cancelled_s === undefined) this.#inFlight--;
    this.#takeIn(() => {
      for (const part of frame.parts) {
        if (part.stale) continue;
        if (part.piece) this.#pieceDone(part);
        else this.#laneDone(part, part.lane!);
      }
    });
    this.#account(frame);
  }

  #pieceDone(part: FramePart): void {
    const { request } = part;
    request.promptDone += part.rows;
    if (part.wanted === 0) return;
    request.firstToken_s = this.#clock.now;
    const { tokens, branches, outline } = this.#options;
    if (branches === 1) {
      return this.#begin(request, { name: "answer", need: tokens, past: request.promptDone });
    }
    const rest = tokens - (outline.counted ? this.#outlineTokens : 0);
    for (let i = 0; i < branches; i++) {
      const need = Math.floor(rest / branches) + (i < rest % branches ? 1 : 0);
      request.waiting.push({ name: `branch ${i}`, need });
    }
    this.#begin(request, { name: "outline", need: this.#outlineTokens, past: request.promptDone });
  }

  /** A lane whose first token is there. */
  #begin(request: SimRequest, start: { name: Lane["name"]; need: number; past: number }): void {
    const lane: Lane = { request, ...start, drafts: true, flying: [] };
    request.lanes.push(lane);
    const kind: SpanKind = "decode";
    request.phases.push({ kind, label: start.name, start_s: this.#clock.now });
    this.#commit(lane, 1);
    this.#continue(lane);
  }

  #laneDone(part: FramePart, lane: Lane): void {
    lane.flying.shift();
    if (lane.past === 0) lane.past = part.past;
    const accepted = part.tree.length > 0 ? this.#luck.accepted(part.tree) : 0;
    if (part.tree.length > 0) part.useless = part.rows - 1 - accepted;
    this.#forget(part, part.useless);
    lane.past += part.rows - part.useless;
    this.#commit(lane, accepted + 1);
    const draft = this.#drafts.get(lane);
    const next = lane.flying[0] ?? (draft?.ahead ? draft.part : undefined);
    if (lane.need > 0 && next && accepted === part.tree.length && this.#luck.guessed()) {
      next.guess = false;
      if (lane.flying.length > 0) return this.#goAhead(lane);
      // Drafted, or soon: it is what the lane wants now.
      draft!.ahead = false;
      if (draft!.drafted) this.#enqueue(lane, draft!.part);
      return;
    }
    this.#cancel(lane);
    this.#continue(lane);
  }

  #commit(lane: Lane, tokens: number): void {
    const count = Math.min(tokens, lane.need);
    lane.need -= count;
    const { request } = lane;
    if (lane.name !== "outline" || this.#options.outline.counted) request.tokens += count;
    if (lane.name === "outline" && lane.need > 0) this.#release(request);
  }

  /** The lane's next rows; or what follows when it has all its tokens. */
  #continue(lane: Lane): void {
    if (lane.need > 0) return this.#prepare(lane, false);
    const { request } = lane;
    if (lane.name === "outline") {
      request.phases.push({ kind: "branch", label: "branches", start_s: this.#clock.now });
    }
    this.#release(request);
    if (request.over) {
      request.finish_s = this.#clock.now;
      this.#arena -= request.rows;
      request.rows = 0;
    }
    this.#pump();
  }

  /** Lets branches begin whose points are known, as far as the plan lets them run at once. */
  #release(request: SimRequest): void {
    const { branches, outline, prompt } = this.#options;
    const known = Math.floor((1 - request.lanes[0].need / this.#outlineTokens) * branches + 1e-9);
    const allowed = request.lanes[0].need <= 0 ? branches : outline.early ? known : 0;
    while (request.waiting.length > 0 && request.lanes.length - 1 < allowed) {
      const active = request.lanes.filter((l) => l.name !== "outline" && l.need > 0).length;
      if (active >= this.#policy.in_flight) break;
      const { name, need } = request.waiting.shift()!;
      const branch: Lane = {
        request,
        name,
        need,
        past: 0,
        drafts: this.#policy.draft_branches,
        flying: [],
      };
      request.lanes.push(branch);
      const rows = outline.point_rows;
      const label = `${name}: prompt (${rows} rows)`;
      this.#ready.push(
        partOf(request, { lane: branch, rows, past: prompt, kind: "branch", label }),
      );
    }
  }

  get #outlineTokens(): number {
    return this.#options.outline.tokens ?? 6 * this.#options.branches;
  }

  // ---- drafts

  #tree(lane: Lane): number[] {
    const { tree, model_drafter } = this.#policy;
    if (!lane.drafts || (model_drafter && !this.#pipeline.costs.draft)) return [];
    return tree;
  }

  /**
   * Rows for a lane: drafted first where it speculates. `ahead`: behind its frames in flight, as a
   * guess.
   */
  #prepare(lane: Lane, ahead: boolean): void {
    const flying = lane.flying.reduce((n, p) => n + 1 + p.tree.length, 0);
    const tree = this.#tree(lane).slice(0, Math.max(0, lane.need - flying - 1));
    const rows = 1 + treeRows(tree);
    const kind = lane.name.startsWith("branch") ? "branch" : "decode";
    const label = `${lane.name}${tree.length ? `: ${rows} rows, ${rows - 1} drafted` : ""}${
      ahead ? ", ahead" : ""
    }`;
    const past = lane.past + lane.flying.reduce((n, p) => n + p.rows, 0);
    const part = partOf(lane.request, {
      lane,
      rows,
      wanted: rows,
      past,
      kind,
      label,
      tree,
      guess: ahead,
    });
    const tokens = tree.length + (ahead ? 1 : 0);
    const drafter = this.#policy.model_drafter && tokens > 0
      ? this.#pipeline.costs.draft
      : undefined;
    const draft: Draft = { part, ahead, drafted: false, abort: () => {} };
    this.#drafts.set(lane, draft);
    const done = () => {
      if (this.#drafts.get(lane) !== draft) return;
      draft.drafted = true;
      if (draft.ahead) this.#pump();
      else this.#enqueue(lane, part);
    };
    if (!drafter) return done();
    const { host, reach_s } = drafter;
    const label_s = `request ${lane.request.index}, ${lane.name}: ${tokens} tokens`;
    const record = (kind: SpanKind) => (start_s: number) =>
      this.#pipeline.trace.push({
        lane: `drafter · ${host}`,
        kind,
        label: label_s,
        start_s,
        end_s: this.#clock.now,
      });
    const job: Job = {
      begin: () => this.#drafts.get(lane) === draft ? drafter.seconds(tokens) : undefined,
      end: (start_s) => {
        record("draft")(start_s);
        this.#clock.at(this.#clock.now + reach_s, done);
      },
      cut: record("wasted"),
    };
    draft.abort = () => this.#pipeline.remove(host, job);
    this.#clock.at(this.#clock.now + (ahead ? 0 : reach_s), () => {
      if (this.#drafts.get(lane) === draft) this.#pipeline.occupy(host, job);
    });
  }

  #enqueue(lane: Lane, part: FramePart): void {
    this.#drafts.delete(lane);
    this.#ready.push(part);
    this.#pump();
  }

  /** The drafter goes on behind a lane's frames in flight. */
  #goAhead(lane: Lane): void {
    if (lane.flying.length === 0 || lane.flying.length > this.#policy.ahead) return;
    if (this.#drafts.has(lane) || this.#tree(lane).length === 0 || lane.past === 0) return;
    if (lane.flying.reduce((n, p) => n + 1 + p.tree.length, 0) >= lane.need) return;
    this.#prepare(lane, true);
  }

  /** A lane's guesses have not come true: frames, drafts and rows of it are of no use. */
  #cancel(lane: Lane): void {
    const draft = this.#drafts.get(lane);
    this.#drafts.delete(lane);
    draft?.abort();
    for (const part of lane.flying) {
      part.stale = true;
      part.useless = part.rows;
      this.#forget(part, part.rows);
    }
    if (lane.flying.length > 0) {
      for (const frame of this.#pipeline.flying) {
        if (frame.cancelled_s !== undefined || frame.parts.length === 0) continue;
        if (!frame.parts.every((p) => p.stale)) continue;
        frame.cancelled_s = this.#clock.now;
        for (const span of frame.spans) if (span.kind !== "transfer") span.kind = "wasted";
        this.#inFlight--;
      }
    }
    lane.flying = [];
  }

  #forget(part: FramePart, rows: number): void {
    part.request.rows -= rows;
    this.#arena -= rows;
  }

  #account(frame: SimFrame): void {
    this.computedRows += frame.computed * frame.rows;
    const useless = frame.parts.length === 0 ? frame.rows : sum(frame.parts.map((p) => p.useless));
    this.wastedRows += frame.computed * useless;
  }

  // ---- a node dies

  /**
   * Everything in flight is lost; once the death is known the live rows are replayed, then all goes
   * on.
   */
  die(event: Death): void {
    if (!this.#pipeline.costs.hosts.includes(event.host)) return this.#dieAside(event);
    // A death during a recovery: what that one had fed to its replacement is in doubt, so all
    // stages are fed again.
    const interrupted = this.#pausedSince_s !== undefined;
    const since_s = this.#pausedSince_s ??= this.#clock.now;
    const death = ++this.#deaths;
    const lost = [...this.#pipeline.flying];
    this.#pipeline.stop();
    this.#inFlight = 0;
    const again: FramePart[] = [];
    for (const lane of this.#drafts.keys()) this.#lostLanes.add(lane);
    for (const frame of lost) {
      const repeated = frame.parts.filter((p) => !p.stale);
      for (const part of frame.parts) {
        part.useless = part.rows;
        if (part.stale) continue;
        this.#forget(part, part.rows);
        if (part.lane) part.lane.flying = [];
      }
      this.#account(frame);
      for (const part of repeated) {
        if (part.lane && part.lane.past > 0) this.#lostLanes.add(part.lane);
        else again.push({ ...part, useless: 0 });
      }
    }
    this.#ready.pushFirst(again);
    this.#drafts.clear();
    this.#clock.at(this.#clock.now + event.detection_s + event.load_s, () => {
      if (death !== this.#deaths) return;
      this.#pipeline.replace(event.costs);
      const stages = interrupted ? [...event.costs.hosts.keys()] : event.replaced;
      this.#replay(stages, () => {
        this.#pausedSince_s = undefined;
        this.paused_s += this.#clock.now - since_s;
        this.#pipeline.trace.push({
          lane: "coordinator",
          kind: "idle",
          label: `paused: ${event.host} died`,
          start_s: since_s,
          end_s: this.#clock.now,
        });
        const lanes = [...this.#lostLanes];
        this.#lostLanes.clear();
        this.#takeIn(() => lanes.forEach((lane) => this.#prepare(lane, false)));
      });
    });
  }

  /**
   * A host without a stage dies: what it drafts is lost, and its lanes go on without once that is
   * known.
   */
  #dieAside(event: Death): void {
    const drafting = this.#policy.model_drafter && this.#pipeline.costs.draft?.host === event.host;
    const waiting: Lane[] = [];
    for (const [lane, draft] of drafting ? this.#drafts : []) {
      if (draft.drafted) continue;
      this.#drafts.delete(lane);
      draft.abort();
      if (!draft.ahead) waiting.push(lane);
    }
    if (this.#pausedSince_s === undefined) this.#pipeline.replace(event.costs);
    this.#clock.at(this.#clock.now + event.detection_s, () => {
      this.#takeIn(() => waiting.forEach((lane) => this.#prepare(lane, false)));
    });
  }

  /** Feeds live rows to stages without KV, from the neighbour that kept what it had sent. */
  #replay(stages: number[], done: () => void): void {
    const live = this.#arena;
    const runs: number[][] = [];
    for (const stage of [...stages].sort((a, b) => a - b)) {
      const run = runs.at(-1);
      if (run && run.at(-1) === stage - 1) run.push(stage);
      else runs.push([stage - 1, stage]);
    }
    const jobs: { rows: number; past: number; route: number[] }[] = [];
    for (const route of runs) {
      let past = 0;
      for (const rows of live > 0 ? piecesOf(live, [Math.max(...this.#policy.pieces)]) : []) {
        jobs.push({ rows, past, route });
        past += rows;
      }
    }
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
      this.#pipeline.send(frame, route, () => {
        this.#account(frame);
        if (--left === 0) done();
      });
    }
  }
}

function sum(values: number[]): number {
  return values.reduce((a, b) => a + b, 0);
}
