/**
 * A plan's input with changes that somebody wants to try: another device, another link, other
 * layers, other requests. Pure.
 *
 * @module
 */
import { OrreryError } from "../actors/mod.ts";
import { unknownHost } from "./check_input.ts";
import type { Device, PlanInput, TimeTable } from "./types.ts";

/** Changes of a {@linkcode PlanInput}. Names are those of its devices. */
export interface InputChanges {
  /** Devices that join. */
  add?: readonly AddedDevice[];
  /** Devices that are faster, slower, larger or smaller. */
  devices?: readonly {
    host: string;
    /** How many times as fast as it is. @default 1 */
    speed?: number;
    /** Bytes of its memory that stages may use. @default as it has */
    memory_bytes?: number;
  }[];
  /** Links, in both directions. */
  links?: readonly {
    from: string;
    to: string;
    /** Latency of a message one way. @default as it is */
    latency_ms?: number;
    /** Megabits a second. @default as it is */
    mbit_per_s?: number;
  }[];
  /** Layers that are computed on a device in any case; replaces the graph's. */
  pin?: readonly { host: string; first: number; last: number }[];
  /** Devices that are not used, beside those that the graph excludes. */
  exclude?: readonly string[];
  /** The requests that the plan is made for; what is left out stays. */
  workload?: {
    prompt_tokens?: number;
    output_tokens?: number;
    concurrent?: number;
    branches?: number;
  };
}

/** A device that joins, like one that is there. */
export interface AddedDevice {
  /** Its name, which no device has. */
  name: string;
  /** The device that it is like. */
  like: string;
  /** How many times as fast as that one. @default 1 */
  speed?: number;
  /** Bytes of its memory that stages may use. @default as the one that it is like */
  memory_bytes?: number;
  /** Latency of its link to every other device, one way. */
  latency_ms: number;
  /** Bandwidth of that link, megabits a second. */
  mbit_per_s: number;
}

/** Bytes a second of a megabit a second. */
const MBIT = 125_000;

/**
 * The changed input; the given one stays as it is. Throws group `planner`: `unknown_host` where a
 * change names no device, `duplicate_device` where an added one has the name of another. What does
 * not fit together otherwise, the planner says.
 */
export function changedInput(input: PlanInput, changes: InputChanges): PlanInput {
  const grown = (changes.add ?? []).reduce(withAdded, input);
  const names = grown.devices.map(({ name }) => name);
  const index = (where: string, name: string) => {
    const at = names.indexOf(name);
    if (at >= 0) return at;
    throw unknownHost(where, name, names);
  };
  const devices = [...grown.devices];
  for (const { host, speed = 1, memory_bytes } of changes.devices ?? []) {
    const at = index("devices", host);
    devices[at] = resized(devices[at], speed, memory_bytes);
  }
  const seconds = grown.links.seconds.map((row) => [...row]);
  const bytesPerS = grown.links.bytesPerS.map((row) => [...row]);
  for (const { from, to, latency_ms, mbit_per_s } of changes.links ?? []) {
    const [a, b] = [index("links", from), index("links", to)];
    if (a === b) continue;
    if (latency_ms !== undefined) seconds[a][b] = seconds[b][a] = latency_ms / 1000;
    if (mbit_per_s !== undefined) bytesPerS[a][b] = bytesPerS[b][a] = mbit_per_s * MBIT;
  }
  for (const { host } of changes.pin ?? []) index("pin", host);
  for (const host of changes.exclude ?? []) index("exclude", host);
  const { workload: asked = {} } = changes;
  const { model, constraints } = input;
  const promptTokens = asked.prompt_tokens ?? input.workload.promptTokens;
  const outputTokens = asked.output_tokens ?? input.workload.outputTokens;
  return {
    ...grown,
    devices,
    links: { ...grown.links, seconds, bytesPerS },
    workload: {
      ...input.workload,
      promptTokens: Math.min(promptTokens, model.context - 1),
      outputTokens: Math.min(
        outputTokens,
        model.context - Math.min(promptTokens, model.context - 1),
      ),
      concurrent: asked.concurrent ?? input.workload.concurrent,
      branches: asked.branches ?? input.workload.branches,
    },
    constraints: {
      ...constraints,
      ...(changes.pin && { pin: changes.pin.map((one) => ({ ...one })) }),
      exclude: [...new Set([...constraints.exclude, ...changes.exclude ?? []])],
    },
  };
}

function withAdded(input: PlanInput, added: AddedDevice): PlanInput {
  const { devices, links, draft } = input;
  const names = devices.map(({ name }) => name);
  if (names.includes(added.name)) {
    throw new OrreryError({
      group: "planner",
      code: "duplicate_device",
      message: `add: there is a device called ${added.name} already; give the new one another name`,
      metadata: { host: added.name },
    });
  }
  const of = names.indexOf(added.like);
  if (of < 0) throw unknownHost("add", added.like, names);
  const { speed = 1, memory_bytes, latency_ms, mbit_per_s } = added;
  const device = { ...resized(devices[of], speed, memory_bytes), name: added.name };
  const matrix = (rows: number[][], value: number, same: number) => [
    ...rows.map((row) => [...row, value]),
    [...rows.map(() => value), same],
  ];
  return {
    ...input,
    devices: [...devices, device],
    links: {
      ...links,
      seconds: matrix(links.seconds, latency_ms / 1000, 0),
      bytesPerS: matrix(links.bytesPerS, mbit_per_s * MBIT, Infinity),
    },
    draft: draft && {
      ...draft,
      secondsPerToken: [...draft.secondsPerToken, draft.secondsPerToken[of] / speed],
      head: draft.head &&
        { ...draft.head, seconds: [...draft.head.seconds, draft.head.seconds[of] / speed] },
    },
  };
}

/** The device, so many times as fast, with so much memory. */
function resized(device: Device, speed: number, memoryBytes = device.memoryBytes): Device {
  const scaled = (table: TimeTable): TimeTable => ({
    ...table,
    seconds: table.seconds.map((row) => row.map((seconds) => seconds / speed)),
  });
  const { layer, embed, head, frameSeconds } = device;
  return {
    ...device,
    memoryBytes,
    layer: scaled(layer),
    embed: scaled(embed),
    head: scaled(head),
    frameSeconds: frameSeconds / speed,
  };
}
