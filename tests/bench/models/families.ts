// deno-lint-ignore-file no-console
/**
 * What every class of model gives beside transformers, on the tiny checkpoints of the tests, and what
 * q4 changes.
 *
 * @module
 */
import { readdir } from "node:fs/promises";
import { pickRows, relativeError } from "../../oracle/compare.ts";
import {
  cut,
  decode,
  type Fixture,
  FIXTURE_DIR,
  prefill,
  splits,
  withFixture,
} from "../../support/architecture_fixtures.ts";

/** Rows of a prompt that run at once: all of them. */
const WHOLE = 20;

/**
 * Prints for each checkpoint: the largest error of logits at f32, as a share of the largest logit,
 * over all splits; how many of 64 greedy tokens are transformers'; the number of splits; and the mean
 * divergence of q4 from f32 over the prompt's rows, in nats. The weights are random, so that q4
 * changes more than it does of a trained model.
 */
export async function printFamilies(): Promise<void> {
  console.log(
    "\nclass                                checkpoint            logits   greedy  splits  q4 KL",
  );
  for (const name of (await readdir(FIXTURE_DIR)).sort()) {
    let exact = new Float64Array();
    await withFixture(name, "f32", async (fixture) => {
      const { manifest: { geometry } } = fixture;
      const { error, count, logits } = await compared(fixture);
      exact = logits;
      const { greedy } = await decode(fixture, cut(geometry.layers, 0, geometry.layers - 1));
      const same = greedy.filter((token, i) => token === fixture.expected.greedy[i]).length;
      Deno.stdout.writeSync(new TextEncoder().encode(
        `${geometry.architecture.padEnd(36)} ${name.padEnd(20)} ${
          error.toExponential(1).padStart(7)
        } ` +
          `${`${same}/${greedy.length}`.padStart(8)} ${String(count).padStart(7)}`,
      ));
    });
    await withFixture(name, "q4", async (fixture) => {
      const { layers, vocab } = fixture.manifest.geometry;
      const rounded = await prefill(fixture, cut(layers, 0), WHOLE);
      console.log(divergence(exact, rounded, vocab).toFixed(3).padStart(7));
    });
  }
}

/** The largest error of the prompt's logits over all splits, and the logits of one stage. */
async function compared(fixture: Fixture) {
  const { expected, manifest: { geometry: { layers, vocab } } } = fixture;
  const all = splits(layers);
  let error = 0, logits = new Float64Array();
  for (const ranges of all) {
    const found = await prefill(fixture, ranges, WHOLE);
    if (ranges.length === 1) logits = found;
    const picked = pickRows(found, expected.prefill.rows, vocab);
    error = Math.max(error, relativeError(picked, expected.prefill.logits));
  }
  return { error, count: all.length, logits };
}

/** Mean divergence of the distributions that two arrays of logits (rows, vocab) give, in nats. */
function divergence(of: Float64Array, from: Float64Array, vocab: number): number {
  let sum = 0;
  const rows = of.length / vocab;
  for (let row = 0; row < rows; row++) {
    const [p, q] = [of, from].map((all) =>
      logSoftmax(all.subarray(row * vocab, (row + 1) * vocab))
    );
    sum += p.reduce((nats, log, i) => nats + Math.exp(log) * (log - q[i]), 0);
  }
  return sum / rows;
}

function logSoftmax(logits: Float64Array): Float64Array {
  const most = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const total = Math.log(logits.reduce((sum, v) => sum + Math.exp(v - most), 0)) + most;
  return logits.map((v) => v - total);
}
