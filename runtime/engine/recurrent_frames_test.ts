import assert from "node:assert/strict";
import { type Frame, samplingSchema } from "../../actors/pipeline/frame.ts";
import { buildStageGraph } from "../../models/mod.ts";
import { withFixture } from "../../tests/support/architecture_fixtures.ts";
import "../../tests/support/open_library.ts";
import { loadEngine } from "./mod.ts";

/** Rows of another text in each frame. */
const OTHERS = 9;

for (const name of ["granite4_states", "qwen3_5"]) {
  Deno.test(`loadEngine() gives ${name}'s greedy text in frames with rows of another text and rejected drafts`, async () => {
    await withFixture(name, "f32", async ({ manifest, blobDir, expected }) => {
      const { geometry } = manifest;
      const range = { firstLayer: 0, lastLayer: geometry.layers - 1 };
      const graph = await buildStageGraph(manifest, { ...range, blobDir });
      await using stack = new AsyncDisposableStack();
      const options = { graph, geometry, threads: 1, arenaBudgetBytes: 1 << 26 };
      const engine = stack.adopt(await loadEngine(options), (made) => made.dispose());
      await engine.layout("a", { capacity: 2048, keep: new Int32Array(0) });
      const samplers = [{ id: 0, sampling: samplingSchema.parse({}), prompt_rows: 20 }];
      let [base, seq] = [0, 0];
      /** Runs rows (token, parent, position) and gives the token after row `wanted`. */
      const run = async (rows: [number, number, number][], wanted: number): Promise<number> => {
        const [tokens, parents, positions] = [0, 1, 2].map((i) =>
          Int32Array.from(rows, (row) => row[i])
        );
        const frame: Frame = {
          ...{ arena: "a", seq: seq++, samplers, base, tokens, parents, positions },
          want: Int32Array.of(wanted),
          want_samplers: Int32Array.of(0),
        };
        const output = await engine.run(frame);
        base += rows.length;
        return output.kind === "tokens" ? output.tokens[0].token : -1;
      };
      const { prompt, greedy } = expected;
      let token = await run(prompt.map((token, i) => [token, i - 1, i]), prompt.length - 1);
      let [tip, other] = [prompt.length - 1, { slot: -1, position: -1 }];
      const got = [token];
      while (got.length < greedy.length) {
        const rows: [number, number, number][] = [];
        // Another text: of one row now and then, else a piece, as long as the model goes.
        for (let i = 0; i < (got.length % 3 === 0 ? 1 : OTHERS); i++) {
          if (other.position === geometry.context - 1) other = { slot: -1, position: -1 };
          rows.push([(7 * seq + i) % geometry.vocab, other.slot, other.position + 1]);
          other = { slot: base + rows.length - 1, position: other.position + 1 };
        }
        const own = rows.length;
        const position = prompt.length + got.length - 1;
        rows.push([token, tip, position]);
        tip = base + own;
        // Drafts that come to nothing.
        for (let i = 1; i <= got.length % 4; i++) rows.push([i, base + own + i - 1, position + i]);
        token = await run(rows, own);
        got.push(token);
      }
      assert.deepEqual(got, greedy);
    });
  });
}
