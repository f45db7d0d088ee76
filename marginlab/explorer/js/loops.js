// The loops in which training spends its time. kernels.js has them again, some numbers at a time; here each step is
// rounded as it is there, and a run without SIMD is the same run.

const { fround, sqrt } = Math;

/**
 * Three in four pixels are blank, and half of the ReLUs are off. So a vector is kept as the list of its entries that are
 * not 0, index[q] and value[q] for from <= q < to, and meets only those rows of a matrix w, each of n numbers, that count.
 */
export const plain = {
  array: (Type, n) => new Type(n),
  /** y += Σ_q value[q] · w[index[q]] */
  gather(y, w, index, value, from, to, n) {
    for (let q = from; q < to; q++) for (let j = 0; j < n; j++) y[j] += fround(value[q] * w[index[q] * n + j]);
  },
  /** w[index[q]] += value[q] · y */
  scatter(w, index, value, from, to, y, n) {
    for (let q = from; q < to; q++) for (let j = 0; j < n; j++) w[index[q] * n + j] += fround(value[q] * y[j]);
  },
  /** value[q] = w[index[q]] · y, summed in four lanes. */
  dots(value, w, index, from, to, y, n) {
    const lanes = new Float32Array(4);
    for (let q = from; q < to; q++) {
      lanes.fill(0);
      for (let j = 0; j < n; j++) lanes[j & 3] += fround(w[index[q] * n + j] * y[j]);
      value[q] = fround(lanes[0] + lanes[1]) + fround(lanes[2] + lanes[3]);
    }
  },
  /** The list of the entries of y that a ReLU lets through, from place `from` on. Returns its end. */
  positive(index, value, from, y, n) {
    let end = from;
    for (let j = 0; j < n; j++) {
      if (y[j] <= 0) continue; // a NaN is let through
      index[end] = j;
      value[end++] = y[j];
    }
    return end;
  },
  /** A ReLU on y, and then x += y · w, of n rows of two; x is of float64. */
  toPlane(x, y, w, n) {
    for (let l = 0; l < n; l++) {
      if (y[l] < 0) y[l] = 0;
      x[0] += y[l] * w[2 * l];
      x[1] += y[l] * w[2 * l + 1];
    }
  },
  /** And back, from x, the gradient in the plane, and h, which y was: to y, the gradient in it, and to w's and b's. */
  fromPlane(y, h, from, w, x, gb, gw, n) {
    for (let l = 0; l < n; l++) {
      const it = h[from + l];
      gw[2 * l] += it * x[0];
      gw[2 * l + 1] += it * x[1];
      y[l] = it > 0 ? w[2 * l] * x[0] + w[2 * l + 1] * x[1] : 0;
      gb[l] += y[l];
    }
  },
  /** Adam on all w, with gradients g; by is [size of the step, 1 - β₁, 1 - β₂, ε], of float64. */
  adam(w, g, m, v, by) {
    for (let i = 0; i < w.length; i++) {
      const mean = m[i] + (g[i] - m[i]) * by[1];
      const square = v[i] + (g[i] * g[i] - v[i]) * by[2];
      m[i] = mean;
      v[i] = square;
      w[i] -= (mean * by[0]) / (sqrt(square) + by[3]);
    }
  },
};
