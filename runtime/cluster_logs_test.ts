import assert from "node:assert/strict";
import { type ActorSystem, hasCode, logQuerySchema } from "../actors/mod.ts";
import { ScriptedGenerator } from "../tests/support/scripted_generator.ts";
import { createApi } from "./api/mod.ts";
import { clusterLogs } from "./cluster_logs.ts";
import type { Membership } from "./cluster/mod.ts";

/** Logs as the node `den` tells them; `told` is what other members answer. */
function logsOf(told: (node: string) => unknown) {
  const members = ["den:8421:41c0", "attic:8421:149f", "attic:9421:77aa"].map((node) => ({ node }));
  const page = { records: [], next: 7, lost: 0 };
  return clusterLogs({
    system: {
      node: "den:8421:41c0",
      get: (_actor: unknown, node: string) => ({ logs: () => Promise.resolve(told(node)) }),
    } as unknown as ActorSystem,
    membership: { status: () => Promise.resolve({ members }) } as unknown as Membership,
    own: () => page,
  });
}

const query = logQuerySchema.parse({});

Deno.test("clusterLogs() tells its own log, or asks the member that is named", async () => {
  const asked: string[] = [];
  const logs = logsOf((node) => {
    asked.push(node);
    return { records: [], next: 3, lost: 1 };
  });
  assert.deepEqual(await logs(undefined, query), {
    node: "den:8421:41c0",
    records: [],
    next: 7,
    lost: 0,
  });
  assert.equal((await logs("den", query)).next, 7);
  assert.deepEqual(await logs("attic:9421", query), {
    node: "attic:9421:77aa",
    records: [],
    next: 3,
    lost: 1,
  });
  assert.deepEqual(asked, ["attic:9421:77aa"]);
  await assert.rejects(logs("attic", query), (error) => hasCode(error, "node_ambiguous"));
  await assert.rejects(logs("cellar", query), (error) => hasCode(error, "node_not_found"));
});

Deno.test("clusterLogs() passes nothing on that is no log", async () => {
  const records = [{ number: 1, time_ms: 1, level: "loud", category: "x", text: "y" }];
  await assert.rejects(logsOf(() => ({ records, next: 1, lost: 0 }))("attic:9421", query));
});

Deno.test("GET /api/logs checks its query, and is for no page of another origin", async () => {
  const app = createApi(new ScriptedGenerator(), { logs: logsOf(() => ({})) });
  const get = async (search: string, headers: Record<string, string> = {}) => {
    const response = await app.request(`/api/logs${search}`, { headers });
    return { status: response.status, body: await response.json() };
  };
  assert.equal((await get("?level=warning&limit=500&after=0")).body.next, 7);
  for (
    const [search, field] of [["?limit=501", "limit"], ["?after=-1", "after"], [
      "?level=loud",
      "level",
    ]]
  ) {
    const { status, body } = await get(search);
    assert.deepEqual([status, body.error.code, body.error.param], [400, "invalid_value", field]);
  }
  assert.equal((await get("", { origin: "https://example.org" })).status, 403);
  assert.equal((await get("?node=cellar")).status, 404);
});
