/**
 * Where tests let the files of custom actors' modules lie: the same folder in each run of a checkout,
 * since `deno test` checks the types of what workers load, and remembers that by its path. Each
 * checkout has one of its own, since the files name the framework by its path.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";

const CHECKOUT = createHash("sha256").update(import.meta.url).digest("hex").slice(0, 16);

/** See the module's text. */
export const TEST_MODULES: string = join(tmpdir(), "orrery-test-modules", CHECKOUT);
