/**
 * Which view is shown, and of what: `#/timeline?request=ID`. Pure.
 *
 * @module
 */

/**
 * The name of the view in a location's hash, and what stands behind it.
 * @param {string} hash
 * @returns {{name: string, query: Record<string, string>}}
 */
export function routeOf(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
  return { name: path, query: Object.fromEntries(new URLSearchParams(query)) };
}

/** The hash of a view. @param {string} name @param {Record<string, string>} [query] */
export function hashOf(name, query = {}) {
  const text = `${new URLSearchParams(query)}`;
  return `#/${name}${text ? `?${text}` : ""}`;
}
