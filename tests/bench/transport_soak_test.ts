import assert from "node:assert/strict";
import { seededRandom } from "../../actors/mod.ts";
import { soakTransport } from "./transport/soak.ts";

Deno.test("soakTransport() breaks connections of a mailbox at hostile moments, and the process lives", async () => {
  const { taken, dialled, deaths, said } = await soakTransport({
    connects: 1_500,
    random: seededRandom(20_261_130),
  });
  assert.deepEqual(said, []);
  assert.equal(deaths, 0);
  assert.ok(taken > 1_000 && dialled > 10);
});
