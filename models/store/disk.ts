import { statfs } from "node:fs/promises";
import { modelError } from "../errors.ts";

/** Bytes that a process without special rights can still write on the file system of a folder. */
export async function freeBytes(dir: string): Promise<number> {
  const { bavail, bsize } = await statfs(dir);
  return bavail * bsize;
}

/**
 * An error `disk_full`. @param needed Bytes that were to be written. @param free Bytes that there
 * is room for.
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

/** Did a write fail because the disk or a quota is full? */
export function isNoSpace(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return code === "ENOSPC" || code === "EDQUOT";
}
