/**
 * How far a model's next tokens are from those of a reference, over many rows.
 *
 * @module
 */

/** The figures of one way of computing a model. */
export interface Divergence {
  /** Mean over the rows of the sum over the tokens of p ln(p / q), p of the reference; nats. */
  kl: number;
  /** The value that 99 % of the rows do not exceed; nats. */
  kl_p99: number;
  /** Share of rows, 0 to 1, whose most likely token is that of the reference. */
  same_top: number;
  /** Exponential of the mean surprise at the text's own next token. */
  perplexity: number;
}

/** A running sum of e^x over values of any size: e^(x - most) is summed. */
interface LogSum {
  most: number;
  sum: number;
  /** Where the largest value was. */
  at: number;
}

const emptySum = (): LogSum => ({ most: -Infinity, sum: 0, at: -1 });

/** Value of the logarithm of a sum. */
const logOf = ({ most, sum }: LogSum): number => most + Math.log(sum);

/** What is known of a row while its logits arrive part by part. */
interface RowSums {
  /** Of the reference, p, and of what is compared, q. */
  p: LogSum;
  q: LogSum;
  /** Sum of e^(x - p.most) (x - y) over the tokens, x and y being the logits of p and q. */
  apart: number;
  /** Logit of the text's next token in q. */
  nextLogit: number;
}

/**
 * Compares logits that come in parts of the vocabulary, so that never all of them are in memory.
 * Each part must have all rows, and each token must come once.
 */
export class DivergenceMeter {
  readonly #next: Int32Array;
  readonly #rows: RowSums[];

  /** `next`: for each row the id of the token that follows in the text. */
  constructor(next: Int32Array) {
    this.#next = next;
    this.#rows = Array.from(
      next,
      () => ({ p: emptySum(), q: emptySum(), apart: 0, nextLogit: NaN }),
    );
  }

  /**
   * Adds logits f32 (rows, tokens) of the tokens from id `first` on, for the rows from `row` on.
   */
  add(reference: Float32Array, found: Float32Array, { row, first, tokens }: {
    row: number;
    first: number;
    tokens: number;
  }): void {
    for (let i = 0; i * tokens < reference.length; i++) {
      const from = i * tokens;
      const state = this.#rows[row + i];
      const { p, q } = state;
      state.apart *= grow(p, reference, from, tokens, first);
      grow(q, found, from, tokens, first);
      for (let t = 0; t < tokens; t++) {
        const x = reference[from + t], y = found[from + t];
        const share = Math.exp(x - p.most);
        p.sum += share;
        q.sum += Math.exp(y - q.most);
        state.apart += share * (x - y);
      }
      const next = this.#next[row + i] - first;
      if (next >= 0 && next < tokens) state.nextLogit = found[from + next];
    }
  }

  /** The figures over all rows. */
  result(): Divergence {
    const each = this.#rows.map(({ p, q, apart }) =>
      Math.max(0, apart / p.sum - logOf(p) + logOf(q))
    );
    const sorted = each.toSorted((a, b) => a - b);
    const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
    return {
      kl: mean(each),
      kl_p99: sorted[Math.max(0, Math.ceil(0.99 * sorted.length) - 1)],
      same_top: mean(this.#rows.map(({ p, q }) => p.at === q.at ? 1 : 0)),
      perplexity: Math.exp(mean(this.#rows.map(({ q, nextLogit }) => logOf(q) - nextLogit))),
    };
  }
}

/**
 * Looks for a larger value than before among `count` values, of which the first belongs to token
 * `first`. Returns the factor by which sums relative to the largest one have become smaller.
 */
function grow(
  sum: LogSum,
  values: Float32Array,
  from: number,
  count: number,
  first: number,
): number {
  const before = sum.most;
  for (let t = 0; t < count; t++) {
    if (values[from + t] > sum.most) {
      sum.most = values[from + t];
      sum.at = first + t;
    }
  }
  if (sum.most === before) return 1;
  const factor = Math.exp(before - sum.most);
  sum.sum *= factor;
  return factor;
}
