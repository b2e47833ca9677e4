/**
 * Where a small value of trust is kept, whatever keeps it.
 *
 * @module
 */

/** A value that several nodes or processes change; each change lands whole or not at all. */
export interface RecordStore<T> {
  /** The value. */
  read(): Promise<T>;
  /**
   * Lets `change` change the value in place, and stores it unless `change` throws. Returns what
   * `change` returns; it may be called several times.
   */
  update<R>(change: (value: T) => R | Promise<R>): Promise<R>;
  /** A number that is another one after every change. */
  version(): Promise<number>;
}
