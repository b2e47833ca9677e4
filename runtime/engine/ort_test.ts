import assert from "node:assert/strict";
import { buildStageGraph } from "../../models/graph/mod.ts";
import { Fixture } from "../../tests/support/engine_fixture.ts";
import { heldLibrary } from "./library.ts";
import { OrtTensor, Session } from "./ort.ts";

/** Runs `body` with a session of a tiny model's layer 1 in this thread. */
async function withSession(body: (session: Session) => void | Promise<void>): Promise<void> {
  await using fixture = await Fixture.make();
  const { path } = await buildStageGraph(fixture.model.manifest, {
    firstLayer: 1,
    lastLayer: 1,
    blobDir: fixture.model.blobsDir,
  });
  const session = await Session.open(path, { threads: 1, spinning: false, library: heldLibrary() });
  try {
    await body(session);
  } finally {
    session.release();
  }
}

Deno.test("Session.run() throws the library's message, when an input is missing or unknown", async () => {
  await withSession(async (session) => {
    const tensor = new OrtTensor("float32", new Float32Array(4), [1, 4]);
    await assert.rejects(
      () => session.run({ nonsense: tensor }, {}),
      (e) => e instanceof Error && /nonsense|input/i.test(e.message),
    );
    tensor.release();
  });
});

Deno.test("new OrtTensor() throws when its data are fewer than its axes say", async () => {
  await withSession(() => {
    for (const [size, dims] of [[3, [2, 2]], [0, [1]]] as const) {
      assert.throws(() => new OrtTensor("float32", new Float32Array(size), [...dims]), Error);
    }
    new OrtTensor("int32", new Int32Array(1), []).release();
    new OrtTensor("int64", new BigInt64Array(0), [0]).release();
  });
});

Deno.test("OrtTensor.value throws after release(), which may be called twice", async () => {
  await withSession(() => {
    const tensor = new OrtTensor("float32", new Float32Array(4), [4]);
    assert.notEqual(tensor.value, null);
    tensor.release();
    tensor.release();
    assert.throws(() => tensor.value, /a tensor of 4 elements was released/);
  });
});

Deno.test("Session.open() throws the library's message, when the file is not there", async () => {
  await assert.rejects(
    Session.open("no.onnx", { threads: 1, spinning: false, library: heldLibrary() }),
    (e) => e instanceof Error && e.message.includes("no.onnx"),
  );
});
