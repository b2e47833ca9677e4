import assert from "node:assert/strict";
import { hasCode } from "../system/mod.ts";
import type { Registry, RegistryEntry, RegistryTransaction } from "./contract.ts";
import { testRegistry } from "./soundness.ts";

/** A registry in memory; `spoil` makes it a broken one. */
function inMemory(spoil: {
  checks?: (transaction: RegistryTransaction) => RegistryTransaction["checks"];
  told?: (version: number) => number;
  get?: (entry: RegistryEntry | undefined) => RegistryEntry | undefined;
} = {}): Registry & { entries: Map<string, RegistryEntry> } {
  const entries = new Map<string, RegistryEntry>();
  let revision = 0;
  const registry = {
    entries,
    get: (key: string) => Promise.resolve((spoil.get ?? ((e) => e))(entries.get(key))),
    transact(transaction: RegistryTransaction) {
      const { checks = [], sets = [], deletes = [] } = transaction;
      const conflicts = (spoil.checks?.(transaction) ?? checks)
        .map(({ key, version }) => ({
          key,
          wanted: version,
          version: entries.get(key)?.version ?? 0,
        }))
        .filter(({ wanted, version }) => wanted !== version)
        .map(({ key, version }) => ({ key, version: (spoil.told ?? ((v) => v))(version) }));
      if (conflicts.length > 0) return Promise.resolve({ ok: false, conflicts });
      revision++;
      for (const set of sets) entries.set(set.key, { ...set, version: revision });
      for (const key of deletes) entries.delete(key);
      return Promise.resolve({ ok: true, revision });
    },
  };
  return registry as unknown as Registry & { entries: Map<string, RegistryEntry> };
}

const unsound = (message: RegExp) => (e: unknown) =>
  hasCode(e, "unsound") && message.test(e.message);

Deno.test("testRegistry() passes a registry that compares, and leaves nothing there", async () => {
  const registry = inMemory();
  await testRegistry(registry);
  assert.equal(registry.entries.size, 0);
});

Deno.test("testRegistry() refuses a registry that ignores checks, all or those of absence", async () => {
  const blind = inMemory({ checks: () => [] });
  await assert.rejects(testRegistry(blind), unsound(/it made a second write/));
  const half = inMemory({ checks: ({ checks }) => checks?.filter(({ version }) => version === 0) });
  await assert.rejects(
    testRegistry(half),
    unsound(/it made a write that names a version that is past/),
  );
});

Deno.test("testRegistry() refuses a registry that refuses all, or tells or shows wrong versions", async () => {
  const shut = inMemory({ checks: ({ checks }) => checks?.map((c) => ({ ...c, version: 7 })) });
  await assert.rejects(testRegistry(shut), unsound(/it refused the first write/));
  await assert.rejects(
    testRegistry(inMemory({ told: (version) => version + 1 })),
    unsound(/told version 2, not 1/),
  );
  const stale = inMemory({ get: (entry) => entry && { ...entry, value: Uint8Array.of(1) } });
  await assert.rejects(testRegistry(stale), unsound(/it shows version 2 \(value 1\)/));
});
