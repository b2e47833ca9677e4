/**
 * What the first node held so far comes into the etcd that it now runs: its embedded registry, and
 * the files of its cluster's authority.
 *
 * @module
 */
import type { Registry } from "../../actors/mod.ts";
import { copyRegistry, embeddedFile, openEmbeddedRegistry } from "../registry/mod.ts";
import { fileRecords, type RecordStore, registryRecords } from "../trust/mod.ts";

/** Milliseconds for one operation of the copy. */
const DEADLINE_MS = 30_000;

/**
 * Takes over what lies in the data folder; nobody may write there or to the registry meanwhile. It
 * can be called again, also after it was interrupted. The embedded registry is refused from then on
 * (`registry/moved`), so that a start without `--registry managed` does not go on with old state.
 *
 * Throws `registry/in_use` where a node runs on these files, and what `copyRegistry` throws.
 */
export async function takeOverState(data: string, registry: Registry): Promise<void> {
  const file = embeddedFile(data);
  const embedded = await openEmbeddedRegistry(file);
  try {
    const names = { from: file, to: "managed" };
    await copyRegistry(embedded, registry, { ...names, deadlineMs: DEADLINE_MS });
  } finally {
    await embedded.close();
  }
  const [from, to] = [fileRecords(data), registryRecords(registry)];
  if ((await to.authority.read()).authority) return; // it was the last
  await copyRecord(from.identities, to.identities);
  await copyRecord(from.tokens, to.tokens);
  await copyRecord(from.roll, to.roll);
  await copyRecord(from.authority, to.authority);
}

/** Writes over what an interrupted copy left. */
async function copyRecord<T extends object>(
  from: RecordStore<T>,
  to: RecordStore<T>,
): Promise<void> {
  const value = await from.read();
  await to.update((there) => {
    if (Array.isArray(there)) there.length = 0;
    Object.assign(there, value);
  });
}
