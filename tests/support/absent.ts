/**
 * Tests that need a file which this repository may not contain.
 *
 * @module
 */

/**
 * Says in the report that a test did not run. Tokenizers of other models are under their owners'
 * licences and not part of this repository; where they lie beside it the tests use them. Tokenizers
 * of our own are always tested.
 */
export const skipAbsent = (t: Deno.TestContext): Promise<boolean> =>
  t.step({ name: "skipped: this tokenizer is not on this machine", ignore: true, fn: () => {} });
