/**
 * What the node cannot do yet.
 *
 * @module
 */

/** Cells of the matrix, `client: feature`, that fail today. One that passes must leave the list. */
export const NOT_YET: readonly string[] = [];
