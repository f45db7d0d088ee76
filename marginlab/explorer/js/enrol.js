// From embeddings to a decision: a gallery's direction, a threshold, and who would be taken for whom.

const { atan2, cos, floor, hypot, sin } = Math;

/** The k-th of places (2n,) as a unit vector; of a zero vector nothing is known, and it is [NaN, NaN]. */
export function unitOf(places, k) {
  const [x, y] = [places[2 * k], places[2 * k + 1]];
  const length = hypot(x, y);
  return [x / length, y / length];
}

/** The direction of the mean of unit vectors: what is enrolled. @param {number[][]} units */
export function meanDirection(units) {
  const turn = atan2(
    units.reduce((sum, [, y]) => sum + y, 0),
    units.reduce((sum, [x]) => sum + x, 0),
  );
  return [cos(turn), sin(turn)];
}

/** @param {number[]} u @param {number[]} v unit vectors */
export const cosineOf = (u, v) => u[0] * v[0] + u[1] * v[1];

/** The lowest threshold above which at most a share far of the similarities lie. */
export function thresholdAt(similarities, far) {
  const rising = Float64Array.from(similarities).sort();
  return rising[rising.length - 1 - floor(far * rising.length + 1e-9)];
}

/**
 * Similarities of galleries that are not: of each digit `many` galleries of `size` images, each compared with every
 * ninth image of the other digits.
 */
export function comparisons({ embeddings, labels }, size = 5, many = 10) {
  const found = [];
  for (let digit = 0; digit < 10; digit++) {
    const own = [];
    for (let i = 0; i < labels.length && own.length < size * many; i++) if (labels[i] === digit) own.push(i);
    for (let from = 0; from + size <= own.length; from += size) {
      const direction = meanDirection(own.slice(from, from + size).map((i) => unitOf(embeddings, i)));
      for (let i = from % 9; i < labels.length; i += 9)
        if (labels[i] !== digit) found.push(cosineOf(unitOf(embeddings, i), direction));
    }
  }
  return found;
}

/** Of each digit how many of its images lie above a threshold from a direction. */
export function takenFor({ embeddings, labels }, direction, threshold) {
  const counts = new Array(10).fill(0);
  for (let i = 0; i < labels.length; i++)
    counts[labels[i]] += Number(cosineOf(unitOf(embeddings, i), direction) > threshold);
  return counts;
}

/** Of a gallery how many images are accepted by the mean of the others. */
export function acceptedByOthers(units, threshold) {
  const others = (k) => meanDirection(units.filter((_, i) => i !== k));
  return units.filter((unit, k) => cosineOf(unit, others(k)) > threshold).length;
}
