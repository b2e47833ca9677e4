/**
 * Tells paths of files from names in the store.
 *
 * @module
 */

/**
 * Whether a text names a folder or file, and not a model in the store: it has a separator of paths
 * (`./x`, `owner/name`, `models\x`) or begins with a drive of Windows (`C:x`). No name in the store
 * has any of these characters, so the answer is the same on every system.
 */
export const isPathText = (text: string): boolean => /[\\/]|^[a-z]:/i.test(text);
