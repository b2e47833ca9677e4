/**
 * Wraps an engine so that it reports its frames.
 *
 * @module
 */
import type { StageEngine } from "../../actors/mod.ts";
import type { ObservedFrame } from "./drift.ts";

/** The same engine; it calls `observe` with each frame that ran to its end. */
export function watchEngine(
  engine: StageEngine,
  observe: (frame: ObservedFrame) => void,
): StageEngine {
  return {
    info: engine.info,
    layout: (arena, layout, signal) => engine.layout(arena, layout, signal),
    async run(frame, signal) {
      const { base, want } = frame;
      const rows = frame.tokens.length;
      const output = await engine.run(frame, signal);
      const { computeMs, past = base } = output;
      // Rows that other devices' shards of the LM head take cost nothing here.
      const wanted = engine.info.head ? 0 : want.length;
      observe({ rows, past, wanted, seconds: computeMs / 1000 });
      return output;
    },
    close: (arena) => engine.close(arena),
    stats: (signal) => engine.stats(signal),
    dispose: () => engine.dispose(),
  };
}
