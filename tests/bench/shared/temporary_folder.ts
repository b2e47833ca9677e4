/**
 * A folder that is deleted at the end, after SIGINT and SIGTERM too.
 *
 * @module
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const SIGNALS = ["SIGINT", "SIGTERM"] as const;
/** Exit status of a command that SIGINT ends: 128 + 2. */
const INTERRUPTED = 130;

/** Runs `work` with an empty folder below the system's temporary folder, then deletes it. */
export async function inTemporaryFolder(work: (dir: string) => Promise<void>): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), "orrery-bench-"));
  const interrupted = () => Deno.exit(INTERRUPTED);
  const cleanUp = () => Deno.removeSync(dir, { recursive: true });
  for (const signal of SIGNALS) Deno.addSignalListener(signal, interrupted);
  globalThis.addEventListener("unload", cleanUp);
  try {
    await work(dir);
  } finally {
    globalThis.removeEventListener("unload", cleanUp);
    for (const signal of SIGNALS) Deno.removeSignalListener(signal, interrupted);
    await rm(dir, { recursive: true });
  }
}
