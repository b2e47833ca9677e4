/**
 * Tests that need a file which this repository may not contain.
 *
 * @module
 */

/**
 * Reports a test as not run since `what` is absent. Tokenizers and templates of other models are
 * under their owners' licences and not part of this repository; the tests use them where they lie
 * beside it. Our own are always tested.
 */
export const skipAbsent = (
  t: Deno.TestContext,
  what = "this tokenizer is",
): Promise<boolean> =>
  t.step({ name: `skipped: ${what} not on this machine`, ignore: true, fn: () => {} });
