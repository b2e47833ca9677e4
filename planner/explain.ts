/**
 * The plan's reasons, with their figures: why each device has its layers or none, and what is
 * slowest.
 *
 * @module
 */
import { duration, layersText, size } from "./numbers.ts";
import { shareSeconds } from "./cost/mod.ts";
import { stageBytes } from "./placement/mod.ts";
import type { Solved } from "./solved.ts";
import { partsOn } from "./memory.ts";
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
  const shared = partsOn(solved, device);
  const ends = [
    first === 0 ? "embedding" : "",
    shared > 0
      ? `${shared} of 8 parts of the head`
      : last === problem.layers - 1 && !solved.head
      ? "head"
      : "",
  ].filter((e) => e !== "");
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

/** The stage, link or sum of latencies that takes longest, and its share. */
export function bottleneckOf(solved: Solved, objective: Objective): Plan["bottleneck"] {
  const { cost, problem, stages, coordinator, head, past, placement } = solved;
  const names = cost.devices.map((d) => d.name);
  const throughput = objective === "throughput";
  const costs = problem.max;
  const parts: Plan["bottleneck"][] = [];
  let latency = 0;
  /** Seconds for which uplinks are occupied, in all. */
  const uplinks = new Map<string, number>();
  const link = (from: number, to: number, busy: number, bytes: number) => {
    if (from === to) return;
    latency += cost.links.seconds[from][to];
    const [[, alone], ...shared] = cost.channels(from, to, bytes);
    const seconds = throughput ? busy : alone;
    parts.push({ kind: "link", what: `${names[from]} to ${names[to]}`, seconds, why: "" });
    for (const [part, own] of shared) {
      uplinks.set(part, (uplinks.get(part) ?? 0) + (alone > 0 ? seconds * own / alone : 0));
    }
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
    const share = head?.find((h) => h.device === device);
    const seconds = throughput
      ? busy
      : cost.stageSeconds(device, stage, { rows: 1, past, wanted: head ? 0 : 1 }) +
        (share ? shareSeconds(cost, share, 1) : 0);
    const heads = share ? ` and ${share.parts} of 8 parts of the head` : "";
    parts.push({
      kind: "stage",
      what: `${layersText(first, last)}${heads} on ${names[device]}`,
      seconds,
      why: "",
    });
  }
  const end = stages[stages.length - 1].device;
  if (!head) link(end, coordinator, costs.exit[end], cost.answerBytes(1));
  // before the links through them, which are as narrow when nothing else passes
  for (const [what, seconds] of uplinks) parts.unshift({ kind: "link", what, seconds, why: "" });
  if (!throughput && latency > 0) {
    parts.push({ kind: "latency", what: "latency of all links", seconds: latency, why: "" });
  }
  const worst = parts.reduce((a, b) => b.seconds > a.seconds ? b : a);
  if (!throughput) {
    const why = `${Math.round(100 * worst.seconds / solved.tpotSeconds)} % of a decode step of ${
      duration(solved.tpotSeconds)
    }`;
    return { ...worst, why };
  }
  if (placement.sum > worst.seconds) {
    const { tokens } = solved.reckoned.lanes;
    return {
      kind: "latency",
      what: "the lanes",
      seconds: placement.sum,
      why: `${
        counted(tokens)
      } a round: the lanes wait for their tokens longer than any part is occupied; more lanes would give more`,
    };
  }
  return {
    ...worst,
    why: `occupied ${duration(worst.seconds)} for each output token at full load`,
  };
}

/** Tokens as text. */
function counted(tokens: number): string {
  const n = Number(tokens.toPrecision(3));
  return `${n} token${n === 1 ? "" : "s"}`;
}

/** `1st`, `2nd`, `3rd`, `4th`. */
function ordinal(n: number): string {
  const tens = n % 100;
  const suffix = tens > 10 && tens < 14 ? "th" : ["th", "st", "nd", "rd"][n % 10] ?? "th";
  return `${n}${suffix}`;
}
