/**
 * The version of this program.
 *
 * @module
 */

/** As in deno.json; `tests/doctor_test.ts` compares the two. */
export const VERSION = "0.1.0";
