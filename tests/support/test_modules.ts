/**
 * Where tests let the files of custom actors' modules lie: the same folder in each run, since
 * `deno test` checks the types of what workers load, and remembers that by its path.
 *
 * @module
 */
import { tmpdir } from "node:os";
import { join } from "node:path";

/** See the module's text. */
export const TEST_MODULES: string = join(tmpdir(), "orrery-test-modules");
