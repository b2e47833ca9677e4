// deno-lint-ignore-file no-console -- its lines are for the user
/**
 * What a benchmark does at present, for whoever waits for its table.
 *
 * @module
 */

/** Says on stderr what is done next, with the seconds since the program began. */
export function say(what: string): void {
  console.error(`${(performance.now() / 1000).toFixed(0).padStart(4)} s  ${what}`);
}
