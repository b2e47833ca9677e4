/**
 * What the error of a weight costs, and how the weights after it make up for it.
 *
 * A projection reads rows X, whose Gram matrix is H = X^T X. An error e (a row of weights less what
 * is stored of them) changes its outputs, summed over the rows and squared, by e H e^T. Once a
 * weight is rounded, the weights that follow can be moved so that the least of its error is left
 * (GPTQ, Frantar et al. 2022). With U upper triangular and U^T U the inverse of H, an error e of
 * weight i is best made up for by adding -e U[i][j] / U[i][i] to each later weight j.
 *
 * @module
 */

/**
 * Added to the diagonal of a Gram matrix, as a share of the diagonal's mean: so matrices of fewer
 * rows than inputs, and those of inputs that are always 0, can be inverted.
 */
const DAMPING = 0.01;

/** Inputs in a row of a projection whose errors are made up for among each other. */
export interface WindowFactor {
  /** Number of the first input. */
  first: number;
  /** Number of inputs. */
  size: number;
  /**
   * f64 (size, size), row-major, used below its diagonal: (j, i) is what an error of 1 in weight i,
   * rounded before weight j, moves weight j down by.
   */
  couplings: Float64Array;
}

/**
 * The factor of a window, from its Gram matrix f32 (size, size). Where no row was seen, errors are
 * not made up for.
 */
export function factorOf(gram: Float32Array, first: number, size: number): WindowFactor {
  if (gram.every((x) => x === 0)) {
    return { first, size, couplings: new Float64Array(size * size) };
  }
  const inverse = invertedRoot(gram, size);
  const couplings = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    const own = inverse[i * size + i];
    for (let j = i + 1; j < size; j++) couplings[j * size + i] = inverse[i * size + j] / own;
  }
  return { first, size, couplings };
}

/** U (n, n), upper triangular, row-major, with U^T U the inverse of the damped matrix. */
function invertedRoot(gram: Float32Array, n: number): Float64Array {
  let trace = 0;
  for (let i = 0; i < n; i++) trace += gram[i * n + i];
  const damping = trace > 0 ? DAMPING * trace / n : 1;
  // R, upper triangular with R R^T the damped matrix, from its last row up.
  const root = new Float64Array(n * n);
  for (let i = n - 1; i >= 0; i--) {
    const row = i * n, after = row + i + 1, count = n - i - 1;
    const own = Math.sqrt(gram[row + i] + damping - dot(root, after, root, after, count));
    root[row + i] = own;
    for (let j = 0; j < i; j++) {
      root[j * n + i] = (gram[j * n + i] - dot(root, j * n + i + 1, root, after, count)) / own;
    }
  }
  // U = R^-1, from its last row up.
  const inverse = new Float64Array(n * n);
  for (let i = n - 1; i >= 0; i--) {
    const row = i * n;
    for (let k = i + 1; k < n; k++) {
      const factor = root[row + k];
      for (let j = k; j < n; j++) inverse[row + j] -= factor * inverse[k * n + j];
    }
    const own = root[row + i];
    inverse[row + i] = 1;
    for (let j = i; j < n; j++) inverse[row + j] /= own;
  }
  return inverse;
}

/** Sum of the products of `count` elements of two arrays, from these places on. */
function dot(
  a: Float64Array,
  aFrom: number,
  b: Float64Array,
  bFrom: number,
  count: number,
): number {
  let s0 = 0, s1 = 0, s2 = 0, s3 = 0; // four sums: one alone would wait for itself
  let i = 0;
  for (; i + 3 < count; i += 4) {
    s0 += a[aFrom + i] * b[bFrom + i];
    s1 += a[aFrom + i + 1] * b[bFrom + i + 1];
    s2 += a[aFrom + i + 2] * b[bFrom + i + 2];
    s3 += a[aFrom + i + 3] * b[bFrom + i + 3];
  }
  for (; i < count; i++) s0 += a[aFrom + i] * b[bFrom + i];
  return s0 + s1 + (s2 + s3);
}
