import assert from "node:assert/strict";
import { ScriptedApi } from "../../../tests/support/scripted_api.ts";
import { OrreryError } from "../../../actors/mod.ts";

const ask = (api: ScriptedApi, body: object, headers: Record<string, string> = {}) =>
  api.app.request("/api/delete", {
    method: "DELETE",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });

Deno.test("DELETE /api/delete removes a model, and says who serves it where it may not", async () => {
  const removed: string[] = [];
  const api = new ScriptedApi({
    removeModel: (model) => {
      if (model === "busy") {
        throw new OrreryError({
          ...{ group: "model", code: "model_in_use" },
          message: "model busy is served by node den:8421:149f (deployment d1)",
        });
      }
      removed.push(model);
      return Promise.resolve();
    },
  });
  assert.equal((await ask(api, { model: "old-q4" })).status, 200);
  assert.equal((await ask(api, { name: "older" })).status, 200);
  assert.deepEqual(removed, ["old-q4", "older"]);
  const refused = await ask(api, { model: "busy" });
  assert.equal(refused.status, 409);
  assert.match((await refused.json()).error, /served by node den/);
  assert.equal((await ask(api, {})).status, 400);
  const foreign = await ask(api, { model: "x" }, { origin: "http://example.org" });
  assert.equal(foreign.status, 403);
  assert.equal((await ask(new ScriptedApi(), { model: "x" })).status, 404);
  assert.equal((await api.send("/api/delete")).status, 405);
});
