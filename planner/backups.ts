/**
 * Chooses the devices that take over the layers of a device that dies.
 *
 * @module
 */
import { leftOn } from "./memory.ts";
import { layersText, size } from "./numbers.ts";
import { stageBytes } from "./placement/mod.ts";
import type { Solved } from "./solved.ts";
import type { Plan } from "./types.ts";

/**
 * For each stage, the device that could take it over today: one device if one has the memory,
 * otherwise several devices for parts of it, and no device (`host` null) for the rest. Idle devices
 * come first, then the fastest. A part with the first or last layer needs a device that may hold an
 * end. `drafter`: the device with the draft model and the bytes that this takes there.
 */
export function backupsOf(
  solved: Solved,
  drafter?: { host: string; bytes: number },
): Plan["backups"] {
  const spareOn = (d: number) =>
    leftOn(solved, d) -
    (drafter && solved.cost.devices[d].name === drafter.host ? drafter.bytes : 0);
  return solved.stages.flatMap((stage) =>
    whole(solved, stage, spareOn) ?? parts(solved, stage, spareOn)
  );
}

/** Bytes that the device with this index has left besides its stage and the drafter. */
type SpareBytes = (device: number) => number;

type SolvedStage = Solved["stages"][number];

/** Devices that may take layers of a stage, best first. */
function others({ problem, stages, cost }: Solved, stage: SolvedStage) {
  const busy = new Set(stages.map((s) => s.device));
  return cost.devices.map((device, d) => ({ d, name: device.name, busy: busy.has(d) }))
    .filter(({ d }) => d !== stage.device && problem.usable[d])
    .sort((a, b) =>
      Number(a.busy) - Number(b.busy) || problem.sum.layer[a.d] - problem.sum.layer[b.d] ||
      a.d - b.d
    );
}

/** Whether the layers include the model's first or last one. */
const isEnd = ({ problem }: Solved, first: number, last: number) =>
  first === 0 || last === problem.layers - 1;

/** The best device that can take the whole stage; undefined: none can. */
function whole(
  solved: Solved,
  stage: SolvedStage,
  spareOn: SpareBytes,
): Plan["backups"] | undefined {
  const { first, last } = stage;
  const need = stageBytes(solved.problem, first, last);
  for (const { d, name, busy } of others(solved, stage)) {
    const spare = spareOn(d) - need;
    if (spare < 0 || (isEnd(solved, first, last) && !solved.problem.ends[d])) continue;
    const state = busy ? "beside its own layers" : "idle today";
    return [{
      first_layer: first,
      last_layer: last,
      host: name,
      why: `${state}, ${size(spare)} would be left`,
    }];
  }
}

/** Devices that can take parts of a stage that no device can take as a whole. */
function parts(solved: Solved, stage: SolvedStage, spareOn: SpareBytes): Plan["backups"] {
  const { problem } = solved;
  const free = others(solved, stage).map((other) => ({ ...other, left: spareOn(other.d) }));
  const found: Plan["backups"][number][] = [];
  let next = stage.first;
  while (next <= stage.last) {
    const holds = free.map(({ d, left }) => {
      let last = stage.last;
      while (
        last >= next &&
        (stageBytes(problem, next, last) > left || (isEnd(solved, next, last) && !problem.ends[d]))
      ) last--;
      return last;
    });
    // the device that takes most comes first, so that the stage is cut in few parts
    const best = holds.reduce((a, last, i) => last > holds[a] ? i : a, 0);
    if (free.length === 0 || holds[best] < next) break;
    const [{ name, left }] = free.splice(best, 1);
    const spare = left - stageBytes(problem, next, holds[best]);
    found.push({
      first_layer: next,
      last_layer: holds[best],
      host: name,
      why: `a part of ${layersText(stage.first, stage.last)}, which no host holds alone; ${
        size(spare)
      } would be left`,
    });
    next = holds[best] + 1;
  }
  if (next > stage.last) return found;
  const need = stageBytes(problem, next, stage.last);
  const nearest = others(solved, stage).filter(({ name }) => !found.some((f) => f.host === name))
    .map((other) => ({ ...other, lacks: need - spareOn(other.d) }))
    .filter(({ d }) => !isEnd(solved, next, stage.last) || problem.ends[d])
    .sort((a, b) => a.lacks - b.lacks || a.d - b.d)[0];
  const why = nearest && nearest.lacks > 0
    ? `nobody has memory for it today; ${nearest.name} comes nearest and lacks ${
      size(nearest.lacks)
    }`
    : "no other host may hold it";
  return [...found, { first_layer: next, last_layer: stage.last, host: null, why }];
}
