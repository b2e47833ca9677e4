import { statfs } from "node:fs/promises";
import { modelError } from "../errors.ts";

/**
 * Free bytes of the file system of a folder, as far as a process without special rights may use
 * them.
 */
export async function freeBytes(dir: string): Promise<number> {
  const { bavail, bsize } = await statfs(dir);
  return bavail * bsize;
}

/**
 * Makes an error `disk_full`. `needed` is the number of bytes to be written, `free` the number that
 * fit.
 */
export function diskFull(dir: string, needed: number, free: number): Error {
  return modelError(
    "disk_full",
    `the disk of ${dir} has ${free} bytes free, up to ${needed} are needed: ${
      needed - free
    } more; make room, or choose a lower precision or another folder`,
    { dir, needed, free },
  );
}

/** Whether a write failed because the disk or a quota is full. */
export function isNoSpace(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return code === "ENOSPC" || code === "EDQUOT";
}
