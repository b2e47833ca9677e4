/**
 * The resident memory of a process by part, from `/proc/PID/smaps` of Linux.
 *
 * @module
 */

/** Parts of a process's resident memory, in bytes. */
export interface MemoryParts {
  /** Program code and data of Deno and of libraries but ONNX Runtime, as files. */
  program: number;
  /** ONNX Runtime's library. */
  onnx: number;
  /** Pages of weight files and of rotation tables that are mapped. */
  weights: number;
  /** Blocks of 1 MiB or more: packed weights, KV, buffers. */
  large: number;
  /** Blocks of less: V8's heaps, stacks. */
  small: number;
  /** Pools of the C library. */
  pools: number;
  /** Everything else. */
  other: number;
}

/** Names of the parts in the order of a table. */
export const PARTS: readonly (keyof MemoryParts)[] = [
  "program",
  "onnx",
  "weights",
  "large",
  "small",
  "pools",
  "other",
];

const LARGE_BYTES = 2 ** 20;
/** The C library reserves so much for a pool, at a multiple of it. */
const POOL_BYTES = 64 * 2 ** 20;

/** Resident bytes by part, of the text of `/proc/PID/smaps`. */
export function partsOf(smaps: string): MemoryParts {
  const parts: MemoryParts = {
    ...{ program: 0, onnx: 0, weights: 0, large: 0, small: 0, pools: 0, other: 0 },
  };
  for (const mapping of smaps.split(/\n(?=[0-9a-f]+-[0-9a-f]+ )/)) {
    const head = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ \S+ *(.*)$/m.exec(mapping);
    const resident = /^Rss: +(\d+) kB$/m.exec(mapping);
    if (!head || !resident) continue;
    const [start, end] = [Number(`0x${head[1]}`), Number(`0x${head[2]}`)];
    const part = partOf({ start, bytes: end - start, access: head[3], name: head[4] });
    parts[part] += 1024 * Number(resident[1]);
  }
  return parts;
}

/** Sum of the parts in bytes. */
export const totalOf = (parts: MemoryParts): number =>
  PARTS.reduce((sum, part) => sum + parts[part], 0);

function partOf({ start, bytes, access, name }: {
  start: number;
  bytes: number;
  access: string;
  name: string;
}): keyof MemoryParts {
  if (name.includes("/blobs/")) return "weights";
  if (name.includes("libonnxruntime")) return "onnx";
  if (name.startsWith("/")) return "program";
  if (name === "[heap]") return "pools";
  if (name !== "" || !access.startsWith("rw-")) return "other";
  if (start % POOL_BYTES === 0 && bytes <= POOL_BYTES) return "pools";
  return bytes >= LARGE_BYTES ? "large" : "small";
}
