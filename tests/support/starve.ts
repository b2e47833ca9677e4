/**
 * Takes a process's memory away, so that the kernel's out-of-memory killer ends it: what it has stays
 * charged where it was, and from now on it may have next to nothing more (Linux, control groups of
 * version 1 or 2, root).
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";

/** Where memory control groups are, and the file with the limit. */
const PLACES = [
  { root: "/sys/fs/cgroup/memory", limit: "memory.limit_in_bytes" },
  { root: "/sys/fs/cgroup", limit: "memory.max" },
];
/** Bytes that it may still have. */
const LEFT_BYTES = 1 << 20;

let groups = 0;

/** A memory control group with next to no memory; undefined: this program may not make any. */
async function makeGroup(): Promise<{ folder: string; remove(): Promise<void> } | undefined> {
  for (const { root, limit } of PLACES) {
    const folder = `${root}/orrery-starve-${Deno.pid}-${++groups}`;
    const remove = async () => {
      // The kernel lets go of a process that has ended a little later.
      for (let i = 0; i < 50; i++) {
        try {
          return await Deno.remove(folder);
        } catch {
          await sleep(100);
        }
      }
    };
    try {
      await Deno.mkdir(folder);
    } catch {
      continue;
    }
    try {
      await Deno.writeTextFile(`${folder}/${limit}`, `${LEFT_BYTES}`, { create: false });
      return { folder, remove };
    } catch {
      await remove();
    }
  }
  return undefined;
}

/** Whether memory control groups can be made here. */
export async function canStarve(): Promise<boolean> {
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) return false;
  const group = await makeGroup();
  await group?.remove();
  return group !== undefined;
}

/**
 * Takes the memory of the process away and waits until it has `ended`. False: it still lives after
 * `withinMs`, since it asked for nothing more.
 */
export async function starve(
  pid: number,
  { ended, withinMs }: { ended: Promise<unknown>; withinMs: number },
): Promise<boolean> {
  const group = await makeGroup();
  if (!group) throw new Error("no memory control group can be made here");
  const late = new AbortController();
  try {
    await Deno.writeTextFile(`${group.folder}/cgroup.procs`, `${pid}`, { create: false });
    return await Promise.race([
      ended.then(() => true),
      sleep(withinMs, false, { signal: late.signal }),
    ]);
  } finally {
    late.abort();
    void group.remove(); // once it has ended
  }
}
