/**
 * The embedded model's names in the store, and its draft model's: one for each precision.
 *
 * @module
 */

/** Whether a model of this name is the embedded one or its draft model, which know few topics only. */
export const isEmbeddedName = (name: string): boolean => /^embedded(-|$)/.test(name);
