/**
 * An independent check of plans: docs/planner.md in other words, and every placement tried. It
 * imports neither the solver nor the cost model; only the planner's types.
 *
 * @module
 */
import { seededRandom } from "../../actors/mod.ts";
import type { Device, Plan, PlanInput, TimeTable } from "../../planner/types.ts";

/** The objectives with a meaning of their own. */
export type CheckedObjective = PlanInput["objective"];

/** Seconds of r rows over p past rows: (a + b r)(1 + c p), which tables interpolate exactly. */
interface Speed {
  a: number;
  b: number;
  c: number;
}

/** A made-up cluster: the planner's input, and the formulas behind its tables. */
export interface OracleCase {
  input: PlanInput;
  speeds: { layer: Speed; embed: Speed; head: Speed }[];
}

const at = ({ a, b, c }: Speed, rows: number, past: number) =>
  rows === 0 ? 0 : (a + b * rows) * (1 + c * past);

/**
 * A case by seed: up to 4 devices and 6 layers, some memory too small, some devices excluded.
 *
 * @param uplinks Two devices are behind an uplink, and one has a network card. @default false
 */
export function oracleCase(
  seed: number,
  objective: CheckedObjective,
  { uplinks = false } = {},
): OracleCase {
  const random = seededRandom(seed * 7919 + objective.length);
  const between = (low: number, high: number) => low + (high - low) * random();
  const pick = <T>(values: readonly T[]) => values[Math.floor(random() * values.length)];
  const count = 2 + Math.floor(random() * 3);
  const layers = 2 + Math.floor(random() * (count === 4 ? 3 : 5));
  const speeds = Array.from({ length: count }, () => {
    const slow = 10 ** between(-3, -2);
    return {
      layer: { a: slow * between(0.2, 1), b: slow * between(0.05, 0.6), c: between(0, 1e-3) },
      embed: { a: slow * 0.01, b: slow * 0.001, c: 0 },
      head: { a: slow * between(0.5, 6), b: slow * between(0.1, 2), c: 0 },
    };
  });
  const table = (speed: Speed, past: number[]): TimeTable => {
    const rows = [1, 1024];
    return { rows, past, seconds: rows.map((r) => past.map((p) => at(speed, r, p))) };
  };
  const devices = speeds.map(({ layer, embed, head }, i): Device => ({
    name: `d${i}`,
    memoryBytes: Math.floor(between(0.5, 1.3) * 100 * layers) + 60,
    overheadBytes: 10,
    layer: table(layer, [0, 4096]),
    embed: table(embed, [0]),
    head: table(head, [0]),
    frameSeconds: between(0, 2e-3),
    trusted: true,
  }));
  const matrix = (make: () => number, self: number) =>
    devices.map((_, i) => devices.map((_, j) => i === j ? self : make()));
  const latency = pick([2e-4, 2e-3, 2e-2]);
  const exclude = random() < 0.25 ? ["d0"] : [];
  return {
    speeds,
    input: {
      model: {
        name: "oracle",
        layers,
        hidden: 512,
        vocab: 1000,
        context: 1024,
        layerBytes: new Array<number>(layers).fill(90),
        embedBytes: 20,
        headBytes: 40,
        tied: random() < 0.3,
        kvBytesPerRow: 0.01,
        macsPerRow: 1e6,
        macsPerPastRow: 1e3,
      },
      devices,
      links: {
        seconds: matrix(() => latency * between(0.5, 2), 0),
        bytesPerS: matrix(() => 10 ** between(6, 8), Infinity),
        ...(uplinks && {
          uplinks: [
            { devices: [0, 1], bytesPerS: 10 ** between(5, 7) },
            { devices: [count - 1], bytesPerS: 10 ** between(5, 8) },
          ],
        }),
      },
      workload: {
        promptTokens: 16,
        outputTokens: 64,
        branches: objective === "latency" ? 1 : pick([1, 1, 2, 4, 8]),
        concurrent: objective === "latency" ? 1 : pick([1, 1, 2]),
      },
      objective,
      constraints: { pin: [], exclude, memory: [], trustedEnds: false, minPieceRows: 16 },
      wire: pick(["f16", "int8"] as const),
      ...(random() < 0.5 && { decode: { headShares: 1 } }),
    },
  };
}

/** Layers on a device, in pipeline order. */
export interface OracleStage {
  device: number;
  layers: number;
}

/** A placement, with parts of the head by device where it is shared. */
export interface OraclePlacement {
  stages: OracleStage[];
  coordinator: number;
  head?: Map<number, number>;
}

/** A frame: its rows, rows before it, rows whose token is wanted. */
interface OracleFrame {
  rows: number;
  past: number;
  wanted: number;
}

/** The arithmetic of docs/planner.md for one case. */
export class Oracle {
  readonly input: PlanInput;
  readonly #speeds: OracleCase["speeds"];

  constructor({ input, speeds }: OracleCase) {
    this.input = input;
    this.#speeds = speeds;
  }

  /** Every allowed placement at every coordinator, with this split of the head. */
  *placements(head?: Map<number, number>): Generator<OraclePlacement> {
    const { devices, model, constraints, coordinator: given } = this.input;
    const usable = devices.map((d) => !constraints.exclude.includes(d.name));
    const visit = function* (
      fits: (stages: OracleStage[]) => boolean,
      stages: OracleStage[],
      left: number,
    ): Generator<OracleStage[]> {
      if (left === 0) {
        if (fits(stages)) yield stages;
        return;
      }
      for (const d of devices.keys()) {
        if (!usable[d] || stages.some((s) => s.device === d)) continue;
        for (let n = 1; n <= left; n++) {
          yield* visit(fits, [...stages, { device: d, layers: n }], left - n);
        }
      }
    };
    for (const stages of visit((s) => this.#fits(s, head), [], model.layers)) {
      for (const [coordinator, { name }] of devices.entries()) {
        if (usable[coordinator] && (given === undefined || given === name)) {
          yield { stages, coordinator, head };
        }
      }
    }
  }

  #fits(stages: OracleStage[], head?: Map<number, number>): boolean {
    const { model, devices, workload: w } = this.input;
    const kv = model.kvBytesPerRow * w.concurrent * (w.promptTokens + w.outputTokens * w.branches);
    return stages.every(({ device, layers }, i) => {
      const [first, last] = [i === 0, i === stages.length - 1];
      let ends = (first ? model.embedBytes : 0) + (last && !head ? model.headBytes : 0);
      if (first && last && !head && model.tied) ends = Math.max(model.embedBytes, model.headBytes);
      const share = Math.ceil(model.headBytes * (head?.get(device) ?? 0) / 8);
      const bytes = layers * (model.layerBytes[0] + kv) + ends + share;
      return bytes + devices[device].overheadBytes <= devices[device].memoryBytes;
    });
  }

  /** Bytes of a message. */
  #bytes(kind: "request" | "hidden" | "to head" | "answer", n: number): number {
    if (kind === "answer") return 448 + 24 * n;
    if (kind === "to head") return 512 + n * (16 + 4 * this.input.model.hidden);
    const element = { f32: 4, f16: 2, int8: 1 }[this.input.wire!];
    const scale = this.input.wire === "int8" ? 4 : 0;
    return 512 + n * (16 + (kind === "hidden" ? this.input.model.hidden * element + scale : 0));
  }

  /** All parts of a frame's way, in order: devices with their stage, links with what they carry. */
  #parts({ stages, coordinator, head }: OraclePlacement, frame: OracleFrame) {
    const { seconds: latency, bytesPerS, uplinks = [] } = this.input.links;
    const link = (from: number, to: number, bytes: number) => {
      const passed = uplinks.flatMap(({ devices, bytesPerS }, i) =>
        devices.includes(from) === devices.includes(to)
          ? []
          : [{ name: `u${i}${devices.includes(from) ? "<" : ">"}`, busy: bytes / bytesPerS }]
      );
      const busy = from === to
        ? 0
        : Math.max(bytes / bytesPerS[from][to], ...passed.map((uplink) => uplink.busy));
      const way = from === to ? 0 : latency[from][to] + busy;
      return { name: `${from}-${to}`, busy, way, passed };
    };
    const compute = (device: number, seconds: number) => {
      const busy = this.input.devices[device].frameSeconds + seconds;
      return { name: `${device}`, busy, way: busy, passed: [] };
    };
    const { rows, past, wanted } = frame;
    const last = stages[stages.length - 1].device;
    const chain = [link(coordinator, stages[0].device, this.#bytes("request", rows))];
    for (const [i, { device, layers }] of stages.entries()) {
      const speed = this.#speeds[device];
      if (i > 0) chain.push(link(stages[i - 1].device, device, this.#bytes("hidden", rows)));
      let seconds = layers * at(speed.layer, rows, past);
      if (i === 0) seconds += at(speed.embed, rows, 0);
      if (i === stages.length - 1 && !head) seconds += at(speed.head, wanted, 0);
      chain.push(compute(device, seconds));
    }
    const ends = head && wanted > 0
      ? [...head].map(([device, parts]) => [
        link(last, device, this.#bytes("to head", wanted)),
        compute(device, parts / 8 * at(this.#speeds[device].head, wanted, 0)),
        link(device, coordinator, this.#bytes("answer", wanted)),
      ])
      : [[link(last, coordinator, this.#bytes("answer", wanted))]];
    return { chain, ends };
  }

  /** Seconds of a frame's way. */
  way(placement: OraclePlacement, frame: OracleFrame): number {
    const { chain, ends } = this.#parts(placement, frame);
    const sum = (parts: { way: number }[]) => parts.reduce((n, p) => n + p.way, 0);
    return sum(chain) + Math.max(...ends.map(sum));
  }

  /**
   * Seconds for which the busiest part is occupied by these frames together, each so many times.
   * `apart`: messages of the head's shares count apart from those between stages, and each link by
   * itself, whatever it shares.
   */
  busiest(
    placement: OraclePlacement,
    frames: [times: number, frame: OracleFrame][],
    { apart = false } = {},
  ): number {
    const busy = new Map<string, number>();
    for (const [times, frame] of frames) {
      const { chain, ends } = this.#parts(placement, frame);
      const add = (name: string, seconds: number) =>
        busy.set(name, (busy.get(name) ?? 0) + times * seconds);
      for (const part of chain) add(part.name, part.busy);
      // the head's links may be counted apart from those between stages
      for (const part of ends.flat()) {
        add(apart && part.name.includes("-") ? `head ${part.name}` : part.name, part.busy);
      }
      for (const part of apart ? [] : [...chain, ...ends.flat()]) {
        for (const { name, busy } of part.passed) add(name, busy);
      }
    }
    return Math.max(...busy.values());
  }

  /** `objective_s` of a placement under what a plan reckons with. */
  objective(placement: OraclePlacement, reckoned: Plan["reckoned"]): number {
    const { objective, workload: { promptTokens, outputTokens, concurrent } } = this.input;
    const { pieces, frames, rows, tokens } = reckoned;
    const decode = { rows, past: this.#past, wanted: rows };
    const size = promptTokens / pieces;
    const piece = { rows: size, past: (promptTokens - size) / 2, wanted: 0 };
    const first = { ...piece, wanted: 1 };
    if (objective === "latency") return this.way(placement, decode);
    if (objective === "throughput") {
      const busy = this.busiest(placement, [
        [pieces / outputTokens, piece],
        [frames / tokens, decode],
      ], { apart: true });
      const wait = this.way(placement, decode) / tokens +
        this.way(placement, first) / (outputTokens * concurrent);
      return Math.max(busy, wait);
    }
    const rounds = outputTokens * concurrent / tokens;
    return rounds * this.way(placement, decode) + this.way(placement, first) +
      this.busiest(placement, [[pieces - 1, piece], [rounds * (frames - 1), decode]], {
        apart: true,
      });
  }

  get #past(): number {
    return this.input.workload.promptTokens + Math.floor(this.input.workload.outputTokens / 2);
  }

  /** Seconds by which plans are ranked, for a prompt of one piece and without drafts. */
  run(placement: OraclePlacement): number {
    const { objective, workload: { promptTokens, outputTokens, branches, concurrent } } =
      this.input;
    const lanes = branches * concurrent;
    const prompt = { rows: promptTokens, past: 0, wanted: 1 };
    const ttft = this.way(placement, prompt);
    let best = Infinity;
    for (let rows = 1; rows <= lanes; rows++) {
      const frame = { rows, past: this.#past, wanted: rows };
      const way = this.way(placement, frame);
      const one = this.busiest(placement, [[1, frame]]);
      // every number of frames: fewer may leave lanes out
      for (let frames = 1; (frames - 1) * rows < lanes; frames++) {
        const carried = Math.min(lanes, frames * rows);
        const round = Math.max(way, frames * one);
        const token = round / carried;
        if (objective === "latency") best = Math.min(best, token);
        if (objective === "blended") {
          best = Math.min(best, ttft + (outputTokens - 1) * concurrent * token);
        }
        if (objective !== "throughput" || carried < lanes) continue;
        const busy = this.busiest(placement, [[1 / outputTokens, prompt], [
          1 / (lanes / frames),
          frame,
        ]]);
        const all = outputTokens * concurrent;
        best = Math.min(best, Math.max(busy, (ttft + all * token) / all));
      }
    }
    return best;
  }
}

/** A plan's placement as the oracle has it. */
export function placementIn(plan: Plan, { devices }: PlanInput): OraclePlacement {
  const index = (name: string) => devices.findIndex((d) => d.name === name);
  return {
    coordinator: index(plan.coordinator),
    stages: plan.stages.map((s) => ({
      device: index(s.host),
      layers: s.last_layer - s.first_layer + 1,
    })),
    head: plan.head &&
      new Map(plan.head.map((h) => [index(h.device), h.last_part - h.first_part + 1])),
  };
}
