/**
 * Does this back end compare before it sets? A node asks before it trusts one.
 *
 * @module
 */
import type { Registry, RegistryOptions, TransactionResult } from "./contract.ts";
import { registryError } from "./errors.ts";

/**
 * Tries four conditional writes, of which the second and the fourth must fail, under a key of its
 * own, which it deletes. Throws `registry/unsound` when the back end makes a write that it must
 * refuse, refuses one that it must make, or shows something else than what was written; and
 * whatever the registry throws.
 */
export async function testRegistry(registry: Registry, options?: RegistryOptions): Promise<void> {
  const key = `self-test/${crypto.randomUUID()}`;
  const write = (version: number, value: number) =>
    registry.transact(
      { checks: [{ key, version }], sets: [{ key, value: Uint8Array.of(value) }] },
      options,
    );
  const first = mustLand(await write(0, 1), "the first write of an absent key");
  mustFail(await write(0, 2), first, "a second write that wants the key absent");
  const second = mustLand(await write(first, 3), "a write that names the key's version");
  mustFail(await write(first, 4), second, "a write that names a version that is past");
  const entry = await registry.get(key, options);
  if (entry?.version !== second || entry.value.length !== 1 || entry.value[0] !== 3) {
    throw unsound(
      `it shows version ${entry?.version} (value ${entry?.value}) where it was given ` +
        `version ${second} (value 3)`,
    );
  }
  await registry.transact({ deletes: [key] }, options);
}

function mustLand(result: TransactionResult, what: string): number {
  if (result.ok) return result.revision;
  throw unsound(`it refused ${what}`);
}

function mustFail(result: TransactionResult, version: number, what: string): void {
  if (result.ok) throw unsound(`it made ${what}`);
  if (result.conflicts[0]?.version !== version) {
    throw unsound(
      `it refused ${what} and told version ${result.conflicts[0]?.version}, ` +
        `not ${version}`,
    );
  }
}

function unsound(why: string): Error {
  return registryError(
    "unsound",
    `this registry cannot be used, since ${why}: two nodes could own the same thing; ` +
      `use another server, or another version of it`,
  );
}
