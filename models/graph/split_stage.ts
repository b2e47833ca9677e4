/**
 * Cuts a large stage into graphs of some layers each, for sessions that are made at the same time.
 *
 * @module
 */
import type { Manifest } from "../manifest.ts";
import type { StageGraph } from "./contract.ts";
import { buildStageGraph, type StageGraphOptions } from "./stage.ts";

/**
 * As {@linkcode buildStageGraph}, of a stage whose layers are shared by at most so many sessions: its
 * graph then has `parts`.
 */
export async function buildSplitStage(
  manifest: Manifest,
  options: StageGraphOptions,
  sessions: number,
): Promise<StageGraph> {
  const { firstLayer, lastLayer } = options;
  const layers = lastLayer - firstLayer + 1;
  const count = Math.max(1, Math.min(sessions, layers));
  if (count === 1) return await buildStageGraph(manifest, options);
  const bound = (i: number) => firstLayer + Math.floor(i * layers / count);
  const parts: StageGraph[] = [];
  for (let i = 0; i < count; i++) {
    const range = { firstLayer: bound(i), lastLayer: bound(i + 1) - 1 };
    parts.push(await buildStageGraph(manifest, { ...options, ...range }));
  }
  return joined(parts);
}

/** What the parts are together. */
function joined(parts: readonly StageGraph[]): StageGraph {
  const [first, last] = [parts[0], parts.at(-1)!];
  const window = parts.find((part) => part.window !== undefined)?.window;
  const kernel = parts.find((part) => part.kernel !== undefined)?.kernel;
  const recurrent = parts.flatMap(({ recurrence }) => recurrence ?? []);
  const sum = (of: (part: StageGraph) => number) => parts.reduce((all, part) => all + of(part), 0);
  return {
    path: first.path,
    inputs: [...new Set(parts.flatMap(({ inputs }) => inputs))],
    outputs: last.outputs,
    firstLayer: first.firstLayer,
    lastLayer: last.lastLayer,
    first: first.first,
    last: last.last,
    logits: last.logits,
    ...(window !== undefined && { window }),
    ...(kernel !== undefined && { kernel }),
    ...(recurrent.length > 0 && {
      recurrence: {
        kernel: recurrent[0].kernel,
        states: recurrent.flatMap(({ states }) => states),
      },
    }),
    weightBytes: sum(({ weightBytes }) => weightBytes),
    caches: parts.flatMap(({ caches }) => caches),
    kvBytesPerRow: sum(({ kvBytesPerRow }) => kvBytesPerRow),
    ...(window !== undefined && {
      windowedBytesPerRow: sum(({ windowedBytesPerRow }) => windowedBytesPerRow ?? 0),
    }),
    parts: [...parts],
  };
}
