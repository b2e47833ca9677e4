/**
 * The product, broken on purpose: methods of a class are replaced while something runs.
 *
 * @module
 */

/** Runs `run` while methods of a class's instances are replaced by others. */
export async function withMethods<T extends object, R>(
  type: { prototype: T },
  methods: Partial<T>,
  run: () => Promise<R>,
): Promise<R> {
  const { prototype } = type;
  const before = Object.getOwnPropertyDescriptors(prototype);
  Object.assign(prototype, methods);
  try {
    return await run();
  } finally {
    Object.defineProperties(prototype, before);
  }
}
