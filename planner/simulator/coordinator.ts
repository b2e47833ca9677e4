/**
 * The coordinator of a simulation: keeps requests and lanes, and decides which rows go into the
 * next frame.
 *
 * @module
 */
import type { VirtualClock } from "./clock.ts";
import { Luck } from "./luck.ts";
import { type CoordinatorOptions, type CoordinatorPolicy, POINT_TOKENS } from "./options.ts";
import type { SimFrame, SimulatedPipeline } from "./pipeline.ts";
import { FrameQueue, isPrompt } from "./frame_queue.ts";
import { type Death, Recovery } from "./recovery.ts";
import {
  fedTokens,
  type FramePart,
  nextPart,
  partOf,
  piecesOf,
  SimRequest,
  type SimulatedDraft,
  type SimulatedLane,
} from "./request.ts";
import type { SpanKind } from "./trace.ts";

/** Decides what runs, as the real Generation and arbiter do. Sums are over the whole simulation. */
export class Coordinator {
  /** All requests, in the order in which they were given. */
  readonly requests: SimRequest[];
  /** Frames that were sent. */
  frames = 0;
  /** Those of them that decode. */
  decodeFrames = 0;
  /** Rows of those that decode. */
  decodeRows = 0;
  /** Rows that stages computed, counted at each stage. */
  computedRows = 0;
  /** Those of them that were rejected, stale or lost. */
  wastedRows = 0;
  #clock: VirtualClock;
  #pipeline: SimulatedPipeline;
  #policy: CoordinatorPolicy;
  #options: CoordinatorOptions;
  #luck: Luck;
  /** Frames on their way that are not cancelled: those with rows of prompts, and the others. */
  #underWay = { prompts: new Set<SimFrame>(), lanes: new Set<SimFrame>() };
  #recovery: Recovery;
  /** Rows in the arena. */
  #arena = 0;
  #ready: FrameQueue;
  #drafts = new Map<SimulatedLane, SimulatedDraft>();
  /** True while results or arrivals are processed: no frame is sent before all of them are. */
  #held = false;

  constructor(
    clock: VirtualClock,
    pipeline: SimulatedPipeline,
    setup: { policy: CoordinatorPolicy; options: CoordinatorOptions },
  ) {
    this.#clock = clock;
    this.#pipeline = pipeline;
    this.#policy = setup.policy;
    this.#options = setup.options;
    const { acceptance, second_share: secondShare, seed } = setup.options;
    this.#ready = new FrameQueue(setup.policy.rows_per_frame);
    this.#luck = new Luck({ acceptance, secondShare }, seed);
    this.requests = setup.options.requests.map(({ at }, i) => new SimRequest(i, at));
    this.#recovery = new Recovery({
      clock,
      pipeline,
      pieceRows: Math.max(...setup.policy.pieces),
      modelDrafter: setup.policy.model_drafter,
      ready: this.#ready,
      drafts: this.#drafts,
      liveRows: () => this.#arena,
      forget: (part) => this.#forget(part, part.rows),
      account: (frame) => this.#account(frame),
      stopped: () => Object.values(this.#underWay).forEach((frames) => frames.clear()),
      resume: (lanes) => this.#takeIn(() => lanes.forEach((lane) => this.#prepare(lane, false))),
    });
    pipeline.settled = (frame) => this.#account(frame);
    for (const request of this.requests) clock.at(request.at_s, () => this.#arrive(request));
  }

  /** Whether all requests are over. */
  get over(): boolean {
    return this.requests.every((r) => r.finish_s !== undefined);
  }

  /** Seconds in which nothing ran because a host had died. */
  get paused_s(): number {
    return this.#recovery.paused_s;
  }

  /** A host dies, see {@linkcode Recovery.die}. */
  die(event: Death): void {
    this.#recovery.die(event);
  }

  /** Counts the frames that are still on their way when the last request is over. */
  close(): void {
    const left = [...this.#pipeline.flying];
    this.#pipeline.stop();
    for (const frame of left) {
      for (const part of frame.parts) part.useless = part.rows;
      this.#account(frame);
    }
  }

  /** A request arrives: its prompt's pieces are ready. */
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

  // ---- sending

  /** Processes results or arrivals, then sends frames. */
  #takeIn(change: () => void): void {
    this.#held = true;
    change();
    this.#held = false;
    this.#pump();
  }

  /**
   * Whether one more frame, with or without rows of prompts, may be on its way. As in the arbiter,
   * both have a window of their own, except on a single stage.
   */
  #mayGo(ofPrompts: boolean): boolean {
    const stages = this.#pipeline.costs.hosts.length;
    const { prompts, lanes } = this.#underWay;
    const counted = stages === 1 ? [prompts, lanes] : [ofPrompts ? prompts : lanes];
    return sum(counted.map((frames) => frames.size)) < (this.#policy.window ?? stages + 1);
  }

  /** Sends frames as long as there are parts and places for them. */
  #pump(): void {
    if (this.#held) return;
    this.#held = true;
    while (!this.#recovery.paused) {
      const { first } = this.#ready;
      if (!this.#mayGo(first !== undefined && isPrompt(first))) break;
      const parts = this.#choose();
      if (parts.length === 0) break;
      this.#dispatch(parts);
    }
    this.#held = false;
  }

  /** Parts of the next frame: those that wait, otherwise guesses. */
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

  /** Sends one frame with these parts. */
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
    const ofPrompts = isPrompt(parts[0]);
    this.#underWay[ofPrompts ? "prompts" : "lanes"].add(frame);
    this.frames++;
    this.#arena += rows;
    if (!ofPrompts) {
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

  // ---- results

  /** A frame has come back. */
  #returned(frame: SimFrame): void {
    this.#left(frame);
    this.#takeIn(() => {
      for (const part of frame.parts) {
        if (part.stale) continue;
        if (part.piece) this.#pieceDone(part);
        else this.#laneDone(part, part.lane!);
      }
    });
    this.#account(frame);
  }

  /** A prompt piece has come back; the last one begins the answer or the outline. */
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

  /** Begins a lane whose first token is there. */
  #begin(
    request: SimRequest,
    start: { name: SimulatedLane["name"]; need: number; past: number },
  ): void {
    const lane: SimulatedLane = { request, ...start, drafts: true, flying: [] };
    request.lanes.push(lane);
    const kind: SpanKind = "decode";
    request.phases.push({ kind, label: start.name, start_s: this.#clock.now });
    this.#commit(lane, 1);
    this.#continue(lane);
  }

  /** A part of a lane has come back: takes its tokens and decides what follows. */
  #laneDone(part: FramePart, lane: SimulatedLane): void {
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
      // The draft is made, or soon will be, and is what the lane needs now.
      draft!.ahead = false;
      if (draft!.drafted) this.#enqueue(lane, draft!.part);
      return;
    }
    this.#cancel(lane);
    this.#continue(lane);
  }

  /** Adds tokens to a lane. */
  #commit(lane: SimulatedLane, tokens: number): void {
    const count = Math.min(tokens, lane.need);
    lane.need -= count;
    const { request } = lane;
    if (lane.name !== "outline" || this.#options.outline.counted) request.tokens += count;
    if (lane.name === "outline" && lane.need > 0) this.#release(request);
  }

  /** Prepares the lane's next rows; when it has all its tokens, what follows it. */
  #continue(lane: SimulatedLane): void {
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

  /** Begins branches whose points are known, as many as the plan lets run at once. */
  #release(request: SimRequest): void {
    const { branches, outline, prompt } = this.#options;
    const known = Math.floor((1 - request.lanes[0].need / this.#outlineTokens) * branches + 1e-9);
    const allowed = request.lanes[0].need <= 0 ? branches : outline.early ? known : 0;
    while (request.waiting.length > 0 && request.lanes.length - 1 < allowed) {
      const active = request.lanes.filter((l) => l.name !== "outline" && l.need > 0).length;
      if (active >= this.#policy.in_flight) break;
      const { name, need } = request.waiting.shift()!;
      const branch: SimulatedLane = {
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

  /** Tokens of an outline. */
  get #outlineTokens(): number {
    return this.#options.outline.tokens ?? POINT_TOKENS * this.#options.branches;
  }

  // ---- drafts

  /** Draft tree of a lane: alternatives at each depth; empty: it does not speculate. */
  #tree(lane: SimulatedLane): number[] {
    const { tree, model_drafter } = this.#policy;
    if (!lane.drafts || (model_drafter && !this.#pipeline.costs.draft)) return [];
    return tree;
  }

  /**
   * Prepares a lane's next rows, which are drafted first where it speculates. `ahead`: as a guess,
   * after its frames on their way.
   */
  #prepare(lane: SimulatedLane, ahead: boolean): void {
    const part = nextPart(lane, this.#tree(lane), ahead);
    const tokens = part.tree.length + (ahead ? 1 : 0);
    const drafter = this.#policy.model_drafter && tokens > 0
      ? this.#pipeline.costs.draft
      : undefined;
    const draft: SimulatedDraft = { part, ahead, drafted: false, abort: () => {} };
    this.#drafts.set(lane, draft);
    const done = () => {
      if (this.#drafts.get(lane) !== draft) return;
      draft.drafted = true;
      if (draft.ahead) this.#pump();
      else this.#enqueue(lane, part);
    };
    if (!drafter) return done();
    draft.abort = this.#pipeline.draft(drafter, {
      tokens,
      label: `request ${lane.request.index}, ${lane.name}: ${tokens} tokens`,
      reach_s: ahead ? 0 : drafter.reach_s,
      wanted: () => this.#drafts.get(lane) === draft,
      done,
    });
  }

  /** A lane's draft is ready to be sent. */
  #enqueue(lane: SimulatedLane, part: FramePart): void {
    this.#drafts.delete(lane);
    this.#ready.push(part);
    this.#pump();
  }

  /** Lets the drafter continue after a lane's frames on their way. */
  #goAhead(lane: SimulatedLane): void {
    if (lane.flying.length === 0 || lane.flying.length > this.#policy.ahead) return;
    if (this.#drafts.has(lane) || this.#tree(lane).length === 0 || lane.past === 0) return;
    if (fedTokens(lane) >= lane.need) return;
    this.#prepare(lane, true);
  }

  /** A lane's guesses were wrong: drops its frames, drafts and rows. */
  #cancel(lane: SimulatedLane): void {
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
        this.#left(frame);
      }
    }
    lane.flying = [];
  }

  /** A frame has come back or is cancelled: another may take its place. */
  #left(frame: SimFrame): void {
    for (const frames of Object.values(this.#underWay)) frames.delete(frame);
  }

  /** Removes rows of a part from the arena. */
  #forget(part: FramePart, rows: number): void {
    part.request.rows -= rows;
    this.#arena -= rows;
  }

  /** Counts a frame's computed and wasted rows. */
  #account(frame: SimFrame): void {
    this.computedRows += frame.computed * frame.rows;
    const useless = frame.parts.length === 0 ? frame.rows : sum(frame.parts.map((p) => p.useless));
    this.wastedRows += frame.computed * useless;
  }
}

function sum(values: number[]): number {
  return values.reduce((a, b) => a + b, 0);
}
