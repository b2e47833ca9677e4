import assert from "node:assert/strict";
import { z } from "zod";
import {
  hasCode,
  outcomeUnknown,
  type Registry,
  type RegistryTransaction,
} from "../../actors/mod.ts";
import { openRegistry } from "../registry/mod.ts";
import { signRequest } from "./sign.ts";
import { createKey } from "./sign.ts";
import { Authority, registryRecords } from "./mod.ts";
import { RegistryRecord } from "./registry_record.ts";

const checked = { sanitizeResources: false }; // Deno KV keeps its thread

async function withRegistry(run: (registry: Registry) => Promise<void>): Promise<void> {
  const data = await Deno.makeTempDir({ prefix: "orrery-test-" });
  const registry = await openRegistry("embedded", { data });
  try {
    await run(registry);
  } finally {
    await registry.close();
    await Deno.remove(data, { recursive: true });
  }
}

const listIn = (registry: Pick<Registry, "get" | "transact">) =>
  new RegistryRecord(registry, "trust/test", z.array(z.number()), () => []);

Deno.test("RegistryRecord.update() loses no change of several nodes at once", checked, async () => {
  await withRegistry(async (registry) => {
    const nodes = Array.from({ length: 4 }, () => listIn(registry));
    await Promise.all(
      nodes.flatMap((node, n) =>
        Array.from({ length: 5 }, (_, i) => node.update((list) => void list.push(10 * n + i)))
      ),
    );
    const all = await nodes[0].read();
    assert.deepEqual(all.sort((a, b) => a - b), [
      ...[0, 1, 2, 3, 4, 10, 11, 12, 13, 14, 20, 21, 22, 23, 24, 30, 31, 32, 33, 34],
    ]);
    await assert.rejects(nodes[0].update(() => Promise.reject(new Error("no"))), /no/);
    assert.equal((await nodes[0].read()).length, 20);
  });
});

Deno.test(
  "RegistryRecord.update() makes a change once where its answer is lost",
  checked,
  async () => {
    await withRegistry(async (registry) => {
      let lost = 0;
      const lossy = {
        get: (key: string) => registry.get(key),
        async transact(transaction: RegistryTransaction) {
          const result = await registry.transact(transaction);
          if (lost++ === 0) throw outcomeUnknown(transaction.id!, 10);
          return result;
        },
      };
      await listIn(lossy).update((list) => void list.push(7));
      assert.deepEqual(await listIn(registry).read(), [7]);
      assert.equal(lost, 2);
    });
  },
);

Deno.test("RegistryRecord.read() refuses what it did not write", checked, async () => {
  await withRegistry(async (registry) => {
    for (const text of ["{", '["a"]', '{"a": 1}']) {
      const value = new TextEncoder().encode(text);
      await registry.transact({ sets: [{ key: "trust/test", value }] });
      await assert.rejects(listIn(registry).read(), (e) => hasCode(e, "wrong_data"));
    }
  });
});

Deno.test(
  "Authority.open() gives every node that opens the registry the same authority",
  checked,
  async () => {
    await withRegistry(async (registry) => {
      const open = () =>
        Authority.open({ data: "none", records: registryRecords(registry), create: true });
      const [one, two] = await Promise.all([open(), open()]);
      assert.equal(one.fingerprint, two.fingerprint);
      const token = await one.tokens.create({ uses: 1, ttlMs: 60_000, note: "test" });
      const ask = async (authority: Authority, node: string) =>
        await authority.issue({ csr: await signRequest(await createKey(), node), node, token });
      const both = await Promise.allSettled([ask(one, "a:1:0001"), ask(two, "b:1:0002")]);
      assert.deepEqual(both.map((r) => r.status).sort(), ["fulfilled", "rejected"]);
      const [{ reason }] = both.filter((r) => r.status === "rejected");
      assert.ok(hasCode(reason, "token_used_up"), String(reason));
      assert.equal((await two.identities.list()).length, 1);
      assert.notEqual(await two.version(), 0);
    });
  },
);
