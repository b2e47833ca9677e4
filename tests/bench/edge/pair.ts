// deno-lint-ignore-file no-console -- its lines are its answers
/**
 * The embedded pair on emulated devices.
 *
 * @module
 */
import { medianOf } from "../shared/figures.ts";
import type { ClientMeasurement } from "./client.ts";
import type { Emulation } from "./emulation.ts";
import { Fleet } from "./fleet.ts";
import type { FleetShape } from "./options.ts";

/** A question that the embedded model can answer point by point. */
export const QUESTION = "How can I make compost from kitchen waste?";

/**
 * Measures the embedded pair on the fleet's devices and prints it: its own drafts, its own
 * outlines, real text. `data` is the folder of the model store.
 */
export async function benchPair(
  emulation: Emulation,
  { cores, mbit, name, data, repeats }: FleetShape & { data: string; repeats: number },
): Promise<void> {
  console.log(`\n## ${name}: the embedded pair (f32), ${mbit} Mbit/s, "${QUESTION}"`);
  const speeds = new Map<string, number>();
  for (
    const [fleetName, count, placement] of [
      ["one device", 1, "planned"],
      ["pipeline", cores.length, "even"],
    ] as const
  ) {
    const first = ["--placement", placement];
    await using fleet = await Fleet.start(emulation, {
      cores: cores.slice(0, count),
      data,
      first,
    });
    for (const mode of ["plain", "speculative", "outline", "outline+speculative", "auto"]) {
      const ask = () =>
        fleet.ask({
          messages: [{ role: "user", content: QUESTION }],
          max_tokens: 400,
          temperature: 0,
          // The same question is asked again: its drafts would be looked up in its earlier answers.
          orrery: { mode, reuse: false },
        });
      await ask(); // the second time is measured, when the drafter and its figures are warm
      const all: ClientMeasurement[] = [];
      for (let i = 0; i < repeats; i++) all.push(await ask());
      const last = all.at(-1)!;
      const value = medianOf(all.map((m) => m.tokens / m.totalS));
      speeds.set(`${fleetName} ${mode}`, value);
      const base = speeds.get("one device plain")!;
      const { drafted, accepted, branches } = last.orrery ?? {};
      console.log(
        `  ${fleetName.padEnd(11)} ${mode.padEnd(20)} ${value.toFixed(1).padStart(7)} tokens/s  ${
          (value / base).toFixed(2)
        }x one device plain  (${last.tokens} tokens, ${accepted} of ${drafted} drafted, ${branches} branches)`,
      );
    }
  }
}
