/**
 * Placement whose errors name the devices.
 *
 * @module
 */
import { hasCode, OrreryError } from "../actors/mod.ts";
import { size } from "./numbers.ts";
import { place, type Placement, type PlacementProblem } from "./placement/mod.ts";
import type { Device } from "./types.ts";

/** Most devices that an error names. */
const LISTED = 6;

/**
 * Solves the problem as `place` does, with errors that name the devices. Throws group `planner`,
 * code `infeasible` (metadata: `lacking` as `{host, bytes}`, and where memory is short
 * `need_bytes`, `have_bytes`).
 */
export function placeNamed(problem: PlacementProblem, devices: Device[]): Placement {
  try {
    return place(problem);
  } catch (error) {
    if (!(error instanceof OrreryError) || error.code !== "infeasible") throw error;
    const lacking = (error.metadata.lacking as { device: number; bytes: number }[])
      .map(({ device, bytes }) => ({ host: devices[device].name, bytes }));
    const need = problem.layerBytes.reduce((a, b) => a + b, 0) +
      (problem.tied
        ? Math.max(problem.embedBytes, problem.headBytes)
        : problem.embedBytes + problem.headBytes);
    const usable = devices.filter((_, d) => problem.usable[d]);
    const have = usable.reduce((sum, d) => sum + Math.max(0, d.memoryBytes - d.overheadBytes), 0);
    if (lacking.length === 0) {
      const why = error.message.replace(/^.*devices: /, "");
      throw infeasible(
        `no placement of ${problem.layers} layers on ${
          usable.map((d) => d.name).join(", ") || "no device"
        }: ${why}`,
        [],
      );
    }
    const listed = lacking.toSorted((a, b) => b.bytes - a.bytes).slice(0, LISTED);
    const who = listed.map(({ host, bytes }) =>
      `${host} lacks ${bytes} bytes (${size(bytes)})`
    ).join(", ") +
      (lacking.length > LISTED ? ` and ${lacking.length - LISTED} others lack less` : "");
    throw infeasible(
      `the model does not fit: ${who}; weights and KV take ${
        size(need)
      }, the ${usable.length} usable ` +
        `${usable.length === 1 ? "device has" : "devices have"} ${
          size(have)
        } besides what engines take; ` +
        `add a device or memory, or plan for a shorter context or fewer requests`,
      lacking,
      { need_bytes: need, have_bytes: have },
    );
  }
}

/**
 * The error that says that there is no plan: group `planner`, code `infeasible`. `lacking`: bytes
 * that each host lacks; `more`: further metadata.
 */
export function infeasible(
  message: string,
  lacking: { host: string; bytes: number }[],
  more: Record<string, unknown> = {},
): OrreryError {
  return new OrreryError({
    group: "planner",
    code: "infeasible",
    message,
    metadata: { lacking, ...more },
  });
}

/** The result of `run`; undefined where it throws `infeasible`. */
export function attempt<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (hasCode(error, "infeasible")) return undefined;
    throw error;
  }
}
