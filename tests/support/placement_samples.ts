/**
 * Makes placement problems from a seed, for tests and benchmarks.
 *
 * @module
 */
import { seededRandom } from "../../actors/mod.ts";
import type { PlacementProblem, StageCosts } from "../../planner/placement/problem.ts";

/** Weights of an objective by its name; `lambda` is the weight of the slowest part in `blended`. */
export function weights(objective: "latency" | "throughput" | "blended", lambda = 8): {
  sumWeight: number;
  maxWeight: number;
} {
  if (objective === "latency") return { sumWeight: 1, maxWeight: 0 };
  return objective === "throughput"
    ? { sumWeight: 0, maxWeight: 1 }
    : { sumWeight: 1, maxWeight: lambda };
}

/**
 * A problem with everything that may go wrong: memory limits (about one in four problems has no
 * solution), missing links, pins, devices that may hold no end or no layer, equal devices, layers
 * of unequal size, a tied embedding.
 */
export function roughProblem(
  seed: number,
  size: { devices: number; layers: number },
): PlacementProblem {
  const random = seededRandom(seed);
  const { devices, layers } = size;
  const between = (low: number, high: number) => low + (high - low) * random();
  const chance = (p: number) => random() < p;
  const equal = chance(0.3);
  const kinds = equal ? 1 + Math.floor(random() * 2) : devices;
  const kindOf = Array.from(
    { length: devices },
    (_, d) => equal ? Math.floor(random() * kinds) : d,
  );
  const each = (make: () => number): number[] => {
    const values = Array.from({ length: kinds }, make);
    return kindOf.map((k) => values[k]);
  };
  const symmetric = chance(0.5);
  const gaps = chance(0.2);
  const hops = (most: number): number[][] => {
    const pairs = Array.from(
      { length: kinds },
      () => Array.from({ length: kinds }, () => between(0.1, most)),
    );
    const hop = kindOf.map((a) =>
      kindOf.map((b) => symmetric && a > b ? pairs[b][a] : pairs[a][b])
    );
    hop.forEach((row, i) => row[i] = 0);
    return hop;
  };
  const system = (scale: number): StageCosts => ({
    layer: each(() => between(0.5, 3) * scale),
    fixed: each(() => between(0, 1) * scale),
    embed: each(() => between(0, 1) * scale),
    head: each(() => between(0, 3) * scale),
    hop: hops(4 * scale),
    entry: each(() => between(0, 2) * scale),
    exit: each(() => between(0, 2) * scale),
  });
  const sum = system(1);
  const max = system(chance(0.5) ? 1 : 3);
  if (gaps) {
    for (let i = 0; i < devices; i++) {
      for (let j = 0; j < devices; j++) {
        if (i !== j && chance(0.15)) sum.hop[i][j] = max.hop[i][j] = Infinity;
      }
    }
  }
  const uneven = chance(0.25);
  const pin = new Array<number>(layers).fill(-1);
  if (chance(0.2)) {
    const from = Math.floor(random() * layers);
    pin.fill(
      Math.floor(random() * devices),
      from,
      Math.min(layers, from + 1 + Math.floor(random() * 3)),
    );
  }
  const layerBytes = Array.from(
    { length: layers },
    () => uneven ? 5 + Math.floor(random() * 10) : 10,
  );
  return {
    ...size,
    sum,
    max,
    ...weights("blended", between(0.5, 10)),
    layerBytes,
    embedBytes: Math.floor(between(0, 20)),
    headBytes: Math.floor(between(0, 20)),
    tied: chance(0.5),
    overheadBytes: each(() => Math.floor(between(0, 5))),
    memoryBytes: each(() =>
      Math.floor(between(0.4, 3) * layers * 10 / Math.min(devices, 2.5)) + 15
    ),
    ends: chance(0.3) ? each(() => chance(0.7) ? 1 : 0).map(Boolean) : each(() => 1).map(Boolean),
    usable: each(() => chance(0.95) ? 1 : 0).map(Boolean),
    pin,
  };
}

/** Kinds of clusters for benches. */
export type DeviceMix = "equal" | "four types" | "all different" | "rooms";

/** Devices of a room in the mix `rooms`. */
const ROOM = 16;

/**
 * A realistic cluster, in seconds and bytes. `equal`: all devices and links are alike; `four
 * types`: from fast and large to slow and small devices, links alike; `all different`: speed,
 * memory and every link at random. `rooms`: all different, in
 * rooms of 16 between which links are slow (10 to 20 ms). All memory together is about 1.5 to 2 times the model, so that
 * some limits bind.
 */
export function clusterProblem(
  family: DeviceMix,
  size: { devices: number; layers: number },
  options: { seed?: number } = {},
): PlacementProblem {
  const { devices, layers } = size;
  const random = seededRandom(options.seed ?? devices * 1000 + layers);
  const kinds = [
    { speed: 1, room: 1 },
    { speed: 1.6, room: 0.75 },
    { speed: 2.6, room: 0.5 },
    { speed: 6, room: 0.25 },
  ];
  const device = Array.from(
    { length: devices },
    (_, d) =>
      family === "equal"
        ? { speed: 1, room: 1 }
        : family === "four types"
        ? kinds[d % 4]
        : { speed: 0.8 + 4 * random(), room: 0.2 + random() },
  );
  const layerBytes = 120e6;
  const modelBytes = layers * layerBytes;
  const total = device.reduce((sum, { room }) => sum + room, 0);
  // Small clusters have little memory; devices of large ones have real sizes: six to 24 layers.
  const unit = Math.max(1.6 * modelBytes / total, 8 * layerBytes);
  const linkSeconds = (d: number, to: number): number =>
    d === to || (family !== "all different" && family !== "rooms")
      ? 0.002
      : family === "all different"
      ? 0.0005 + 0.0075 * random()
      : Math.floor(d / ROOM) === Math.floor(to / ROOM)
      ? 0.0005 + 0.001 * random()
      : 0.01 + 0.01 * random();
  const latency = device.map((_, d) => device.map((_, to) => linkSeconds(d, to)));
  const costs = (layer: number, bytesFactor: number): StageCosts => ({
    layer: device.map(({ speed }) => layer * speed),
    fixed: device.map(() => 0.0008),
    embed: device.map(() => 0.0002),
    head: device.map(({ speed }) => 3 * layer * speed),
    hop: latency.map((row, d) => row.map((seconds, to) => d === to ? 0 : seconds * bytesFactor)),
    entry: device.map(() => 0.001 * bytesFactor),
    exit: device.map(() => 0.001),
  });
  return {
    ...size,
    sum: costs(0.006, 1),
    max: costs(0.006, 1),
    ...weights("blended"),
    layerBytes: new Array<number>(layers).fill(layerBytes),
    embedBytes: 130e6,
    headBytes: 130e6,
    tied: false,
    overheadBytes: device.map(() => 80e6),
    memoryBytes: device.map(({ room }) => Math.floor(room * unit) + 80e6),
    ends: device.map(() => true),
    usable: device.map(() => true),
    pin: new Array<number>(layers).fill(-1),
  };
}
