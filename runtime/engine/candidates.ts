/**
 * The best tokens of a vocabulary, found without sorting all of it.
 *
 * @module
 */

/**
 * Ids of the `n` largest logits above -Infinity, best first, equal ones in the order of their ids;
 * fewer than `n` only if there are fewer such logits.
 *
 * One pass keeps the `n` best so far in a heap, with the worst of them on top. A logit that is no
 * better than that one is passed over, which most are: of 20,000 in any order some 400 enter a heap
 * of 64.
 */
export function best(logits: Float32Array, n: number): Uint32Array {
  const ids = new Uint32Array(Math.min(n, logits.length));
  let size = 0;
  /** Whether id a stands behind id b in the order. */
  const worse = (a: number, b: number) =>
    logits[a] < logits[b] || (logits[a] === logits[b] && a > b);
  /** Logit that a newcomer must exceed: its id is larger than all that are in the heap. */
  let bar = -Infinity;
  for (let id = 0; id < logits.length; id++) {
    if (!(logits[id] > bar)) continue;
    if (size < ids.length) {
      let at = size++;
      for (let up; at > 0 && worse(id, ids[up = (at - 1) >> 1]); at = up) ids[at] = ids[up];
      ids[at] = id;
    } else {
      let at = 0;
      for (let down; (down = 2 * at + 1) < size; at = down) {
        if (down + 1 < size && worse(ids[down + 1], ids[down])) down++;
        if (!worse(ids[down], id)) break;
        ids[at] = ids[down];
      }
      ids[at] = id;
    }
    if (size === ids.length) bar = logits[ids[0]];
  }
  return ids.subarray(0, size).sort((a, b) => logits[b] - logits[a] || a - b);
}
