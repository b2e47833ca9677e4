/**
 * Runs a command of `runtime/cli/` to its end, as its task does.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** What a command printed, and how it ended. */
export interface CommandResult {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs `runtime/cli/NAME.ts`; `permissions`: their name in `deno.json`. */
export async function runCommand(
  name: string,
  permissions: string,
  args: readonly string[],
): Promise<CommandResult> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-q", `-P=${permissions}`, "--no-prompt", "--config", `${ROOT}deno.json`],
      ...[`${ROOT}runtime/cli/${name}.ts`, ...args],
    ],
    env: { NO_COLOR: "1" },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}
