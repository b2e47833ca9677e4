/**
 * The what-if questions: more or faster hardware, and limits that are lifted. Each solves the same
 * problem again with one change.
 *
 * @module
 */
import { objectiveText } from "./explain.ts";
import { duration } from "./numbers.ts";
import { attempt } from "./place_named.ts";
import type { Solved } from "./solved.ts";
import type { Constraints, DraftModel, Links, PlanInput } from "./types.ts";

/** An input with one thing changed. */
export interface Change {
  /** The change as text for people: "one more device like a". */
  change: string;
  /** The changed input. */
  input: PlanInput;
}

/** Link between two devices in one place: latency in seconds, bandwidth in bytes a second. */
const NEW_LINK = { seconds: 0.001, bytesPerS: 125e6 };

/** The hardware changes that a plan with this placement reports. */
export function hardwareChanges(input: PlanInput, solved: Solved): Change[] {
  const { devices, links } = input;
  const { problem, stages, cost } = solved;
  const best =
    stages.reduce((a, b) => problem.sum.layer[b.device] < problem.sum.layer[a.device] ? b : a)
      .device;
  const slowest =
    stages.reduce((a, b) => problem.sum.layer[b.device] > problem.sum.layer[a.device] ? b : a)
      .device;
  const changes: Change[] = [{
    change: `one more device like ${devices[best].name}`,
    input: withTwin(input, best),
  }];
  if (devices.length > 1) {
    changes.push(
      {
        change: "twice the bandwidth of every link",
        input: { ...input, links: scaled(links, 1, 2) },
      },
      {
        change: "half the latency of every link",
        input: { ...input, links: scaled(links, 0.5, 1) },
      },
    );
  }
  changes.push({
    change: "twice the memory everywhere",
    input: {
      ...input,
      devices: devices.map((d) => ({ ...d, memoryBytes: 2 * d.memoryBytes })),
      constraints: {
        ...input.constraints,
        memory: input.constraints.memory.map((cap) => ({ ...cap, bytes: 2 * cap.bytes })),
      },
    },
  });
  if (stages.length > 1) {
    const { name } = cost.devices[slowest];
    const exclude = [...input.constraints.exclude, name];
    changes.push({
      change: `without ${name}`,
      input: { ...input, constraints: { ...input.constraints, exclude } },
    });
  }
  return changes;
}

/** The input with a second device like the one with index `of`. */
function withTwin(input: PlanInput, of: number): PlanInput {
  const { devices, links, draft } = input;
  const names = new Set(devices.map((d) => d.name));
  let name = `${devices[of].name}'`;
  while (names.has(name)) name += "'";
  const others = devices.map((_, d) => d).filter((d) => d !== of);
  // the twin's link to the original is like the original's link to its nearest device
  const near = others.toSorted((a, b) => links.seconds[of][a] - links.seconds[of][b] || a - b)[0];
  const [between, rate] = near === undefined
    ? [NEW_LINK.seconds, NEW_LINK.bytesPerS]
    : [links.seconds[of][near], links.bytesPerS[of][near]];
  const grown = (matrix: number[][], twin: number, self: number) => [
    ...matrix.map((row, from) => [...row, from === of ? twin : row[of]]),
    [...matrix[of].map((value, to) => to === of ? twin : value), self],
  ];
  return {
    ...input,
    devices: [...devices, { ...devices[of], name }],
    links: {
      seconds: grown(links.seconds, between, 0),
      bytesPerS: grown(links.bytesPerS, rate, Infinity),
      // the twin stands beside the original
      uplinks: links.uplinks?.map((uplink) =>
        uplink.devices.includes(of)
          ? { ...uplink, devices: [...uplink.devices, devices.length] }
          : uplink
      ),
    },
    ...(draft && { draft: withTwinOf(draft, of) }),
  };
}

/** The draft model, as fast on a further device as on the one with index `of`. */
function withTwinOf(draft: DraftModel, of: number): DraftModel {
  const grown = (seconds: number[]) => [...seconds, seconds[of]];
  const { secondsPerToken, head } = draft;
  return {
    ...draft,
    secondsPerToken: grown(secondsPerToken),
    ...(head && { head: { ...head, seconds: grown(head.seconds) } }),
  };
}

/** The links with latencies and bandwidths multiplied by these factors. */
function scaled({ seconds, bytesPerS, uplinks }: Links, latency: number, rate: number): Links {
  return {
    uplinks: uplinks?.map((uplink) => ({ ...uplink, bytesPerS: uplink.bytesPerS * rate })),
    seconds: seconds.map((row) => row.map((v) => v * latency)),
    bytesPerS: bytesPerS.map((row) => row.map((v) => v * rate)),
  };
}

/** Memory of a device that has enough for any model, in bytes. */
const ENDLESS_BYTES = 1e15;
/** Least gain of the objective, 0 to 1, for which a lifted limit counts as binding. */
const BINDING = 0.001;

/**
 * The limits without which the objective would be better, each with what it costs, as text for
 * people.
 */
export function bindingOf(
  input: PlanInput,
  solved: Solved,
  resolve: (input: PlanInput) => Solved,
): string[] {
  const { constraints } = input;
  const lifted = (change: Partial<Constraints>): PlanInput => ({
    ...input,
    constraints: { ...constraints, ...change },
  });
  const limits: [string, PlanInput][] = [["memory of the devices", {
    ...lifted({ memory: [] }),
    devices: input.devices.map((d) => ({ ...d, memoryBytes: ENDLESS_BYTES })),
  }]];
  if (constraints.memory.length > 0) {
    limits.push([`memory caps (${hosts(constraints.memory)})`, lifted({ memory: [] })]);
  }
  if (constraints.pin.length > 0) {
    limits.push([`pins (${hosts(constraints.pin)})`, lifted({ pin: [] })]);
  }
  if (constraints.exclude.length > 0) {
    limits.push([`exclusion of ${constraints.exclude.join(", ")}`, lifted({ exclude: [] })]);
  }
  if (constraints.trustedEnds && input.devices.some((d) => !d.trusted)) {
    limits.push(["trusted ends", lifted({ trustedEnds: false })]);
  }
  return limits.flatMap(([name, free]) => {
    const without = attempt(() => resolve(free));
    const [now, then] = [solved.placement.value, without?.placement.value ?? Infinity];
    return then < now * (1 - BINDING)
      ? [
        `${name}: without it ${objectiveText(input)} ${duration(then)} instead of ${duration(now)}`,
      ]
      : [];
  });
}

/** The hosts' names, each once. */
const hosts = (limits: { host: string }[]) => [...new Set(limits.map((l) => l.host))].join(", ");
