import assert from "node:assert/strict";
import { type Frame, frameSchema } from "./frame.ts";
import { fromFloat32 } from "./tensor.ts";
import { MOST_MASK_BYTES, MOST_MASKS } from "./token_mask.ts";

const ints = (...values: number[]) => Int32Array.from(values);

/** Two rows in slots 4 and 5, a chain on slot 3; the second one is wanted. */
const frame: Frame = {
  arena: "a",
  seq: 0,
  base: 4,
  tokens: ints(7, 8),
  positions: ints(4, 5),
  parents: ints(3, 4),
  want: ints(1),
  want_samplers: ints(0),
};

/** The messages of the schema's issues. */
function issues(value: unknown): string[] {
  return frameSchema.safeParse(value).error?.issues.map(({ message }) => message) ?? [];
}

Deno.test("frameSchema accepts a chain, a root and hidden states for each row", () => {
  assert.deepEqual(frameSchema.parse(frame), frame);
  assert.deepEqual(issues({ ...frame, parents: ints(-1, -1) }), []);
  assert.deepEqual(issues({ ...frame, hidden: fromFloat32([2, 3], new Float32Array(6)) }), []);
});

Deno.test("frameSchema names every row that cannot be", () => {
  const cases: [Partial<Frame>, string[]][] = [
    [{ parents: ints(3, 5) }, ["row 1 (slot 5) names parent slot 5"]],
    [{ parents: ints(9, -3) }, [
      "row 0 (slot 4) names parent slot 9",
      "row 1 (slot 5) names parent slot -3",
    ]],
    [{ positions: ints(-1, 5) }, ["row 0 has position -1"]],
    [{ want: ints(2) }, ["want names row 2 of 2"]],
    [{ want: ints(-1) }, ["want names row -1 of 2"]],
    [{ want_masks: ints(-3) }, ["want_masks names mask -3"]],
    [{ want_given: ints(-3) }, ["want_given names token -3"]],
    [{ hidden: fromFloat32([3, 2], new Float32Array(6)) }, ["hidden has 3 rows, frame has 2"]],
  ];
  for (const [part, expected] of cases) assert.deepEqual(issues({ ...frame, ...part }), expected);
});

Deno.test("frameSchema refuses arrays that do not agree in length, and an empty frame", () => {
  const lengths = "tokens, positions and parents must have one length, got ";
  const none = ints();
  const cases: [Partial<Frame>, string[]][] = [
    [{ positions: ints(4) }, [`${lengths}2, 1, 2`]],
    [{ parents: ints(3, 4, 5) }, [`${lengths}2, 2, 3`]],
    [{ want_samplers: ints(0, 0) }, ["want has 1 rows, want_samplers 2"]],
    [{ want_masks: ints() }, ["want has 1 rows, want_masks 0"]],
    [{ want_given: ints() }, ["want has 1 rows, want_given 0"]],
    [{ tokens: none, positions: none, parents: none, want: none, want_samplers: none }, [
      "frame has no rows",
    ]],
  ];
  for (const [part, expected] of cases) assert.deepEqual(issues({ ...frame, ...part }), expected);
});

Deno.test("frameSchema bounds the masks that a frame announces and drops", () => {
  const bits = Uint8Array.of(0, 255);
  assert.deepEqual(issues({ ...frame, masks: [{ id: 0, bits }], want_masks: ints(0) }), []);
  for (
    const part of [
      { masks: [{ id: -1, bits }] },
      { masks: [{ id: 0, bits: [0, 255] }] },
      { masks: [{ id: 0, bits: new Uint8Array(0) }] },
      { masks: [{ id: 0, bits: new Uint8Array(MOST_MASK_BYTES + 1) }] },
      { masks: Array(MOST_MASKS + 1).fill({ id: 0, bits }) },
      { drop_masks: [0.5] },
      { want_masks: [0] },
    ]
  ) assert.equal(issues({ ...frame, ...part }).length, 1, Object.keys(part)[0]);
});

Deno.test("frameSchema refuses row arrays of another type", () => {
  for (const tokens of [[7, 8], Uint32Array.of(7, 8), "78"]) {
    assert.equal(frameSchema.safeParse({ ...frame, tokens }).success, false, String(tokens));
  }
});
