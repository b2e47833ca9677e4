// deno-lint-ignore-file no-console -- its lines are its answers
/**
 * What a piece of a prompt costs at a stage, by its rows: `deno run -A tests/bench/edge/pieces.ts
 * [--data DIR]`, on one core of this machine, without a network.
 *
 * For the first, a middle and the last quarter of the 0.5B shape: milliseconds of a piece and of
 * each row, after 256 rows; for the last also with one wanted row, whose difference is the head.
 * Then what the node's thread does with a piece besides: mask, encoding and decoding for the link.
 *
 * @module
 */
import { mkdir } from "node:fs/promises";
import { parseArgs } from "node:util";
import { type Frame, fromFloat32 } from "../../../actors/mod.ts";
import { decodeHidden, encodeHidden } from "../../../actors/pipeline/mod.ts";
import { buildStageGraph, ModelStore } from "../../../models/mod.ts";
import { loadEngine } from "../../../runtime/engine/mod.ts";
import { attentionBias } from "../../../runtime/engine/mask.ts";
import { Slots } from "../../../runtime/engine/slots.ts";
import { chainFrame } from "../shared/chain.ts";
import { describeMachine, medianOf } from "../shared/figures.ts";
import { HALF_BILLION, prepareRandomModel } from "./models.ts";
import { EDGE_OPTIONS } from "./options.ts";

const { values: args } = parseArgs({ options: EDGE_OPTIONS });
const ROWS = [16, 32, 64, 128, 256, 512];
const PAST = 256;
const REPEATS = 3;

/** A chain of rows in slots from `base` on; the last is wanted or none. */
function chain(base: number, rows: number, hidden: number | undefined, want: boolean): Frame {
  return {
    ...chainFrame(base, rows, geometry.vocab, want ? [rows - 1] : []),
    ...(hidden && {
      hidden: fromFloat32([rows, hidden], new Float32Array(rows * hidden).fill(0.1)),
    }),
  };
}

async function timed(work: () => unknown): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < REPEATS; i++) {
    const start = performance.now();
    await work();
    times.push(performance.now() - start);
  }
  return medianOf(times);
}

console.log(describeMachine({ load: true }));
await mkdir(args.data, { recursive: true });
await prepareRandomModel(args.data, HALF_BILLION);
const store = await ModelStore.open(args.data);
const { manifest, blobsDir } = await store.get(HALF_BILLION);
const { geometry } = manifest;
const quarter = geometry.layers / 4;
for (
  const [name, firstLayer] of [["first", 0], ["middle", quarter], ["last", 3 * quarter]] as const
) {
  const graph = await buildStageGraph(manifest, {
    firstLayer,
    lastLayer: firstLayer + quarter - 1,
    blobDir: blobsDir,
  });
  const engine = await loadEngine({ graph, geometry, threads: 1, arenaBudgetBytes: 2 ** 28 });
  await engine.layout("bench", { capacity: 1024, keep: new Int32Array(0) });
  const hidden = firstLayer > 0 ? geometry.hidden : undefined;
  await engine.run(chain(0, PAST, hidden, false));
  const cells: string[] = [];
  for (const rows of ROWS) {
    const none = await timed(() => engine.run(chain(PAST, rows, hidden, false)));
    const one = graph.last
      ? ` (wanted: ${(await timed(() => engine.run(chain(PAST, rows, hidden, true)))).toFixed(1)})`
      : "";
    cells.push(`${rows}: ${none.toFixed(1)} ms, ${(none / rows).toFixed(3)} a row${one}`);
  }
  console.log(`${name} quarter  ${cells.join("   ")}`);
  await engine.dispose();
}
for (const rows of ROWS) {
  const slots = new Slots(2048);
  const frame = chain(1024, rows, undefined, false);
  slots.write(chain(0, 1024, undefined, false));
  slots.write(frame);
  const buffer = new Float32Array(rows * (1024 + rows));
  const values = fromFloat32(
    [rows, geometry.hidden],
    new Float32Array(rows * geometry.hidden).fill(0.1),
  );
  for (let i = 0; i < 200; i++) decodeHidden(encodeHidden(values, "f16"));
  const mask = await timed(() => attentionBias(slots, 1024, rows, { out: buffer }));
  const encode = await timed(() => encodeHidden(values, "f16"));
  const sent = encodeHidden(values, "f16");
  const decode = await timed(() => decodeHidden(sent));
  console.log(
    `${rows} rows after 1024: mask ${mask.toFixed(2)} ms, encoding to f16 ${
      encode.toFixed(2)
    }, decoding ${decode.toFixed(2)}`,
  );
}
