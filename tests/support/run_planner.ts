/**
 * Runs the commands that plan.
 *
 * @module
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Folder of the repository. */
export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/**
 * Runs `deno task plan` or `deno task simulate` with fewer permissions than the task has: it may
 * write only under `write`.
 */
export async function runPlanner(command: "plan" | "simulate", args: string[], write?: string) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-q",
      "--no-prompt",
      "--allow-read",
      "--allow-env",
      "--allow-sys",
      "--allow-ffi",
      ...(write === undefined ? [] : [`--allow-write=${write}`]),
      join(ROOT, "runtime", "cli", `${command}.ts`),
      ...args,
    ],
    env: { NO_COLOR: "1" },
    cwd: ROOT,
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}
