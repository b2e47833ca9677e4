/**
 * Names and times of answers.
 *
 * @module
 */

/** A new id: the prefix and 32 hexadecimal digits. */
export const freshId = (prefix: string): string => prefix + crypto.randomUUID().replaceAll("-", "");

/** Unix seconds. */
export const nowS = (): number => Math.floor(Date.now() / 1000);
