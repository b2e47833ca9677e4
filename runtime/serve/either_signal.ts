/**
 * A signal that aborts with either of two. `AbortSignal.any` would leave something of each request at
 * a signal that lives as long as the node.
 *
 * @module
 */

/** Aborts with the first of the two, for its reason; dispose of it when it is over. */
export function eitherSignal(
  a: AbortSignal,
  b: AbortSignal,
): Disposable & { signal: AbortSignal } {
  const own = new AbortController();
  const follow = (signal: AbortSignal) => {
    const abort = () => own.abort(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    return () => signal.removeEventListener("abort", abort);
  };
  const ends = [follow(a), follow(b)];
  return {
    signal: own.signal,
    [Symbol.dispose]() {
      for (const end of ends) end();
    },
  };
}
