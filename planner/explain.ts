/**
 * The plan's reasons, with their figures: why each device has its layers or none, and what is
 * slowest.
 *
 * @module
 */
import { duration, layersText, size } from "./numbers.ts";
import { evaluateStages, type PlacedStage, stageBytes, violation } from "./placement/mod.ts";
import type { Solved } from "./solve.ts";
import type { Constraints, Objective, Plan, PlanInput } from "./types.ts";

/** The beginning of a clause that says of what the objective's value is the time. */
export function objectiveText(
  { objective, lambda }: Pick<PlanInput, "objective" | "lambda">,
): string {
  if (objective === "latency") return "a decode step takes";
  if (objective === "throughput") return "the busiest part takes for each token";
  return lambda === undefined ? "a request takes" : "the objective is";
}

/** Why a stage has these layers on this device. */
export function stageWhy(solved: Solved, index: number, constraints: Constraints): string {
  const { cost, problem, stages } = solved;
  const { device, first, last } = stages[index];
  const name = cost.devices[device].name;
  const parts: string[] = [];
  const speeds = cost.devices.map((_, d) => cost.layerSeconds(d, { rows: 1, past: solved.past }));
  const usable = speeds.flatMap((_, d) => problem.usable[d] ? [d] : []);
  const layerSeconds = speeds[device];
  const faster = usable.filter((d) => speeds[d] < speeds[device] * (1 - 1e-9)).length;
  const rank = usable.length === 1
    ? "the only usable device"
    : faster === 0
    ? `the fastest per layer of ${usable.length}`
    : `${ordinal(faster + 1)} fastest per layer of ${usable.length}`;
  parts.push(`${duration(layerSeconds)} a layer, ${rank}`);
  const pinned = constraints.pin.filter((pin) => pin.host === name);
  if (pinned.length > 0) {
    parts.push(`${pinned.map((p) => layersText(p.first, p.last)).join(" and ")} pinned to it`);
  }
  const ends = [first === 0 ? "embedding" : "", last === problem.layers - 1 ? "head" : ""].filter((
    e,
  ) => e !== "");
  if (ends.length > 0 && stages.length > 1) {
    parts.push(
      `holds the ${ends.join(" and ")}${constraints.trustedEnds ? ", as a trusted host" : ""}`,
    );
  }
  const left = problem.memoryBytes[device] - problem.overheadBytes[device] -
    stageBytes(problem, first, last);
  const layer = Math.max(...problem.layerBytes);
  const room = Math.floor(left / layer);
  if (last - first + 1 < problem.layers) {
    parts.push(
      room > 0
        ? `memory would hold ${room} more`
        : `its memory is full: a further layer of ${size(layer)} does not fit in the ${
          size(Math.max(0, left))
        } left`,
    );
  }
  return `${layersText(first, last)}: ${parts.join("; ")}`;
}

/** Why a device has no stage: compares the best placement found with it to the plan's. */
export function idleWhy(solved: Solved, device: number, input: PlanInput): string {
  const { cost, problem, placement } = solved;
  const { name, memoryBytes, overheadBytes } = cost.devices[device];
  const coordinates = solved.coordinator === device ? "coordinates, computes no layer: " : "";
  if (input.constraints.exclude.includes(name)) return `idle: excluded by the constraints`;
  const layer = Math.min(...problem.layerBytes);
  if (memoryBytes - overheadBytes < layer) {
    return `idle: ${coordinates}its ${size(memoryBytes)} hold no layer (engine ${
      size(overheadBytes)
    }, a layer with KV ${size(layer)})`;
  }
  const found = bestWith(solved, device);
  if (found === undefined) {
    const why = !problem.ends[device]
      ? "it is not trusted with an end, and no layers between the ends are free for it"
      : "no layers can be moved to it without breaking a pin, a memory limit or a link";
    return `idle: ${coordinates}${why}`;
  }
  const what = objectiveText(input);
  const [with_, without] = [duration(found.value), duration(placement.value)];
  if (with_ === without) return `idle: ${coordinates}with it ${what} the same ${without}`;
  const part = layersText(found.stage.first, found.stage.last);
  return `idle: ${coordinates}with it (${part}) ${what} ${with_} instead of ${without}`;
}

/**
 * The best placement that gives the device layers of one stage, at that stage's beginning or end,
 * up to all of them; undefined: none keeps the limits. All stages are tried.
 */
function bestWith(
  { problem, stages }: Solved,
  device: number,
): { value: number; stage: PlacedStage } | undefined {
  let best: { value: number; stage: PlacedStage } | undefined;
  const consider = (list: PlacedStage[], stage: PlacedStage) => {
    const { value } = evaluateStages(problem, list);
    if (best !== undefined && !(value < best.value)) return;
    if (violation(problem, list) === undefined) best = { value, stage };
  };
  for (const [i, from] of stages.entries()) {
    const [before, after] = [stages.slice(0, i), stages.slice(i + 1)];
    const layers = from.last - from.first + 1;
    for (let n = 1; n <= layers; n++) {
      const head = { device, first: from.first, last: from.first + n - 1 };
      const tail = { device, first: from.last - n + 1, last: from.last };
      if (n === layers) {
        consider([...before, head, ...after], head);
        continue;
      }
      consider([...before, head, { ...from, first: head.last + 1 }, ...after], head);
      consider([...before, { ...from, last: tail.first - 1 }, tail, ...after], tail);
    }
  }
  return best;
}

/** The stage, link or sum of latencies that takes longest, and its share. */
export function bottleneckOf(solved: Solved, objective: Objective): Plan["bottleneck"] {
  const { cost, problem, stages, coordinator } = solved;
  const names = cost.devices.map((d) => d.name);
  const throughput = objective === "throughput";
  const costs = problem.max;
  const parts: Plan["bottleneck"][] = [];
  let latency = 0;
  const link = (from: number, to: number, busy: number, bytes: number) => {
    if (from === to) return;
    latency += cost.links.seconds[from][to];
    const seconds = throughput ? busy : cost.transferSeconds(from, to, bytes);
    parts.push({ kind: "link", what: `${names[from]} to ${names[to]}`, seconds, why: "" });
  };
  link(coordinator, stages[0].device, costs.entry[stages[0].device], cost.requestBytes(1));
  for (const [i, stage] of stages.entries()) {
    const { device, first, last } = stage;
    const from = stages[i - 1]?.device;
    if (from !== undefined) link(from, device, costs.hop[from][device], cost.hopBytes(1));
    const n = last - first + 1;
    const busy = n * costs.layer[device] + costs.fixed[device] +
      (first === 0 ? costs.embed[device] : 0) +
      (last === problem.layers - 1 ? costs.head[device] : 0);
    const seconds = throughput
      ? busy
      : cost.stageSeconds(device, stage, { rows: 1, past: solved.past, wanted: 1 });
    parts.push({
      kind: "stage",
      what: `${layersText(first, last)} on ${names[device]}`,
      seconds,
      why: "",
    });
  }
  const end = stages[stages.length - 1].device;
  link(end, coordinator, costs.exit[end], cost.answerBytes(1));
  if (!throughput && latency > 0) {
    parts.push({ kind: "latency", what: "latency of all links", seconds: latency, why: "" });
  }
  const worst = parts.reduce((a, b) => b.seconds > a.seconds ? b : a);
  const why = throughput
    ? `occupied ${
      duration(worst.seconds)
    } for each output token at full load: nothing can be faster than that`
    : `${Math.round(100 * worst.seconds / solved.tpotSeconds)} % of a decode step of ${
      duration(solved.tpotSeconds)
    }`;
  return { ...worst, why };
}

/** Bytes of a stage's weights and KV cache, and the bytes that its device has left (`left`). */
export function memoryOf({ problem, cost, stages }: Solved, index: number, kvRows: number) {
  const { device, first, last } = stages[index];
  const { weights, kv } = cost.stageBytes({ first, last }, kvRows);
  return {
    weights,
    kv,
    left: problem.memoryBytes[device] - problem.overheadBytes[device] - weights - kv,
  };
}

/** Bytes that a device has left besides the engine and its stage, if it has one. */
export function leftOn(solved: Solved, device: number): number {
  const { problem, stages } = solved;
  const stage = stages.find((s) => s.device === device);
  const used = stage ? stageBytes(problem, stage.first, stage.last) : 0;
  return problem.memoryBytes[device] - problem.overheadBytes[device] - used;
}

/** `1st`, `2nd`, `3rd`, `4th`. */
function ordinal(n: number): string {
  const tens = n % 100;
  const suffix = tens > 10 && tens < 14 ? "th" : ["th", "st", "nd", "rd"][n % 10] ?? "th";
  return `${n}${suffix}`;
}
