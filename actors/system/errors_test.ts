import assert from "node:assert/strict";
import { A, recorderWorld } from "../../tests/support/recorder.ts";
import { hasCode } from "./mod.ts";

Deno.test("OrreryError.toWire() keeps a crash's details on the node where it happened", async () => {
  const { sim, systems: [, two] } = recorderWorld({ nodes: ["n1", "n2"] });
  await assert.rejects(
    sim.until(two.ask(A, { type: "crash" })),
    (e) => hasCode(e, "internal") && !e.message.includes("a bug"),
  );
});
