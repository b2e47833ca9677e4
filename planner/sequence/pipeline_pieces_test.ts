import assert from "node:assert/strict";
import fc from "fast-check";
import { hasCode } from "../../actors/mod.ts";
import {
  paperPieces,
  paperSeconds,
  type PieceStage,
  pipelinePieces,
  pipelineSeconds,
  type SequenceProblem,
} from "./mod.ts";

/**
 * Small prompts on small grids: costs have no shape at all, so that nothing but the search itself
 * can find the optimum.
 */
const problems = fc.noBias(fc.record({
  steps: fc.integer({ min: 3, max: 14 }),
  step: fc.integer({ min: 1, max: 3 }),
  cut: fc.integer({ min: 0, max: 2 }),
  least: fc.integer({ min: 1, max: 3 }),
  most: fc.option(fc.integer({ min: 3, max: 40 }), { nil: undefined }),
  stages: fc.array(
    fc.record({
      fixed: fc.integer({ min: 0, max: 12 }),
      perRow: fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 42, maxLength: 42 }),
      perPast: fc.integer({ min: 0, max: 3 }),
      hop: fc.integer({ min: 0, max: 9 }),
      perRowHop: fc.integer({ min: 0, max: 3 }),
      head: fc.integer({ min: 0, max: 9 }),
    }),
    { minLength: 1, maxLength: 4, size: "max" },
  ),
})).map(({ steps, step, cut, least, most, stages }): SequenceProblem => ({
  // the last grid step may be shorter than the others
  tokens: Math.max(1, steps * step - Math.min(cut, step - 1)),
  step,
  minPieceRows: least,
  maxPieceRows: most,
  stages: stages.map((s): PieceStage => ({
    seconds: ({ rows, past, last }) =>
      s.fixed + s.perRow[rows - 1] + (s.perPast * rows * past) / 16 + (last ? s.head : 0),
    hop: ({ rows }) => s.hop + s.perRowHop * rows,
  })),
}));

/** Every partition on the grid within the limits. */
function* partitions(problem: SequenceProblem, past = 0): Generator<number[]> {
  const { tokens, step = 1, minPieceRows = 1, maxPieceRows = tokens } = problem;
  if (past === tokens) yield [];
  for (let end = past + step; past < tokens; end += step) {
    const rows = Math.min(end, tokens) - past;
    if (rows >= Math.min(minPieceRows, tokens) && rows <= maxPieceRows) {
      for (const rest of partitions(problem, past + rows)) yield [rows, ...rest];
    }
    if (end >= tokens) break;
  }
}

/** The recurrence as it is written in the docstring, with the whole table kept. */
function finish(stages: PieceStage[], pieces: number[]): number {
  const table: number[][] = [];
  let past = 0;
  for (const [i, rows] of pieces.entries()) {
    const piece = { rows, past, last: i === pieces.length - 1 };
    table.push([]);
    for (const [s, stage] of stages.entries()) {
      const before = i > 0 ? table[i - 1][s] : 0;
      const arrives = (s > 0 ? table[i][s - 1] : 0) + stage.hop!(piece);
      table[i].push(Math.max(before, arrives) + stage.seconds(piece));
    }
    past += rows;
  }
  return table.at(-1)!.at(-1)!;
}

function close(actual: number, expected: number, what: string) {
  assert.ok(
    Math.abs(actual - expected) <= 1e-9 * (1 + expected),
    `${what}: ${actual} is not ${expected}`,
  );
}

Deno.test("pipelinePieces() and paperPieces() equal exhaustive search on 500 random instances", () => {
  let [solved, infeasible, large] = [0, 0, 0];
  fc.assert(
    fc.property(problems, (problem) => {
      const { stages, tokens, step = 1, minPieceRows = 1, maxPieceRows = tokens } = problem;
      let [paper, pipeline, tried] = [Infinity, Infinity, 0];
      for (const pieces of partitions(problem)) {
        paper = Math.min(paper, paperSeconds(stages, pieces));
        pipeline = Math.min(pipeline, finish(stages, pieces));
        tried++;
      }
      if (paper === Infinity) {
        infeasible++;
        assert.throws(() => paperPieces(problem), (e) => hasCode(e, "bad_sequence"));
        assert.throws(() => pipelinePieces(problem), (e) => hasCode(e, "bad_sequence"));
        return;
      }
      solved++;
      if (tried >= 100) large++;
      const [a, b] = [paperPieces(problem), pipelinePieces(problem)];
      close(a.seconds, paper, "paper's objective");
      close(paperSeconds(stages, a.pieces), paper, "paper's pieces");
      close(b.seconds, pipeline, "pipeline");
      close(finish(stages, b.pieces), pipeline, "pipeline's pieces");
      assert.ok(a.exact && b.exact);
      for (const pieces of [a.pieces, b.pieces]) {
        assert.equal(pieces.reduce((x, y) => x + y, 0), tokens);
        let at = 0;
        for (const rows of pieces) {
          assert.ok(rows >= Math.min(minPieceRows, tokens) && rows <= maxPieceRows);
          assert.equal(at % step, 0);
          at += rows;
        }
      }
    }),
    { numRuns: 600 },
  );
  assert.ok(large >= 150, `only ${large} instances had 100 partitions or more`);
  assert.ok(solved >= 500, `only ${solved} instances had a solution, ${infeasible} had none`);
});

Deno.test("pipelinePieces() says that its search was too narrow, and its bound holds", () => {
  let narrow = 0;
  fc.assert(
    fc.property(problems.filter((p) => p.stages.length > 1), (problem) => {
      if (partitions(problem).next().done) return;
      const best = pipelinePieces(problem);
      const rough = pipelinePieces(problem, { maxLabels: 1 });
      assert.ok(rough.lowerBound <= best.seconds * (1 + 1e-9));
      assert.ok(rough.seconds >= best.seconds * (1 - 1e-9));
      if (rough.exact) close(rough.seconds, best.seconds, "called exact");
      else narrow++;
    }),
    { numRuns: 150 },
  );
  assert.ok(narrow > 0, "one label was always enough: the test shows nothing");
});

Deno.test("pipelinePieces() is never worse than the paper's pieces in the pipeline, and sometimes better", () => {
  let better = 0;
  fc.assert(
    fc.property(
      fc.array(
        fc.record({ speed: fc.double({ min: 0.2, max: 3, noNaN: true }), hop: fc.nat(20) }),
        {
          minLength: 1,
          maxLength: 6,
        },
      ),
      fc.integer({ min: 40, max: 600 }),
      (devices, tokens) => {
        const stages = devices.map(({ speed, hop }): PieceStage => ({
          seconds: ({ rows, past }) =>
            (5 + rows + rows * past / 500 + Math.max(0, rows - 64) / 3) / speed,
          hop: ({ rows }) => hop + rows / 10,
        }));
        const problem = { tokens, stages, minPieceRows: 16 };
        const paper = pipelineSeconds(stages, paperPieces(problem).pieces);
        const ours = pipelinePieces(problem, { maxLabels: 100 });
        assert.ok(ours.seconds <= paper);
        assert.ok(ours.lowerBound <= ours.seconds);
        if (ours.seconds < paper * 0.999) better++;
      },
    ),
    { numRuns: 60 },
  );
  assert.ok(better > 10, `better in ${better} of 60 only`);
});

Deno.test("pipelinePieces() takes the rows at which one stage is fastest for each row", () => {
  const seconds = ({ rows }: { rows: number }) => rows <= 32 ? 2 + rows : 2 + 32 + 3 * (rows - 32);
  const plan = pipelinePieces({ tokens: 128, stages: [{ seconds }] });
  assert.deepEqual(plan, { pieces: [32, 32, 32, 32], seconds: 136, lowerBound: 136, exact: true });
});

Deno.test("pipelinePieces() makes later pieces shorter, when attention over the prefix takes time", () => {
  const stage: PieceStage = {
    seconds: ({ rows, past }) => 4 + rows + rows * (past + rows / 2) / 64,
  };
  const { pieces } = pipelinePieces({ tokens: 512, stages: [stage, stage, stage, stage] });
  assert.ok(pieces[0] > pieces[pieces.length - 1], pieces.join());
});

Deno.test("pipelinePieces() makes one piece of a prompt that is shorter than the least piece", () => {
  const stages: PieceStage[] = [{ seconds: ({ rows }) => rows }];
  assert.deepEqual(pipelinePieces({ tokens: 5, stages, minPieceRows: 32 }).pieces, [5]);
});

Deno.test("pipelinePieces() refuses limits that no cut meets, with their numbers", () => {
  const stages: PieceStage[] = [{ seconds: ({ rows }) => rows }];
  assert.throws(
    () => pipelinePieces({ tokens: 100, stages, step: 10, minPieceRows: 60, maxPieceRows: 70 }),
    /no cut of 100 rows in steps of 10 has pieces of 60 to 70 rows/,
  );
  assert.throws(() => paperPieces({ tokens: 0, stages }), /tokens 0/);
  assert.throws(() => paperPieces({ tokens: 8, stages: [] }), (e) => hasCode(e, "bad_sequence"));
});

Deno.test("pipelinePieces() plans prompts of up to 2^20 rows within a percent of its lower bound", () => {
  const stages = [1, 0.6, 1.4].map((speed): PieceStage => ({
    seconds: ({ rows, past }) =>
      (5 + rows + rows * past / 5000 + Math.max(0, rows - 256) / 3) / speed,
    hop: ({ rows }) => 3 + rows / 10,
  }));
  for (const tokens of [40_960, 131_072, 1_048_576]) {
    const started = performance.now();
    const plan = pipelinePieces({ tokens, stages, minPieceRows: 16, maxPieceRows: 512 }, {
      maxLabels: 500,
    });
    const took = performance.now() - started;
    assert.equal(plan.pieces.reduce((a, b) => a + b, 0), tokens);
    assert.ok(plan.pieces.every((rows) => rows >= 16 && rows <= 512));
    close(finish(stages, plan.pieces), plan.seconds, `${tokens} rows`);
    assert.equal(plan.exact, plan.lowerBound === plan.seconds);
    assert.ok(
      plan.lowerBound <= plan.seconds && plan.seconds < 1.01 * plan.lowerBound,
      JSON.stringify(plan),
    );
    for (const size of [128, 256, 512]) {
      assert.ok(
        plan.seconds <= pipelineSeconds(stages, new Array<number>(tokens / size).fill(size)),
      );
    }
    // On a small idle machine it takes a quarter of a second; with a grid that is stored whole it
    // takes minutes.
    assert.ok(took < 10_000, `${tokens} rows took ${took} ms`);
  }
});

Deno.test("paperPieces() says that it is not exact, when its work is limited, and its bound holds", () => {
  const stage: PieceStage = {
    seconds: ({ rows, past }) => 4 + rows + rows * (past + rows / 2) / 64,
  };
  const problem = { tokens: 512, stages: [stage, stage, stage, stage] };
  const best = paperPieces(problem);
  assert.ok(best.exact && best.lowerBound === best.seconds);
  const hasty = paperPieces(problem, { maxWork: 1 });
  assert.ok(!hasty.exact && hasty.seconds > best.seconds);
  assert.ok(hasty.lowerBound <= best.seconds && hasty.lowerBound > 0);
  close(paperSeconds(problem.stages, hasty.pieces), hasty.seconds, "limited work");
  assert.deepEqual(paperPieces(problem, { maxWork: 1e9 }), best);
});
