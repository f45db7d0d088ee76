// Signs that are no digits, as strokes in shares of a pad's side, and each time another hand.

const around = (n, turn, reach = 0.32) =>
  Array.from({ length: n + 1 }, (_, k) => {
    const angle = turn + (2 * Math.PI * k) / n;
    return [0.5 + reach * Math.sin(angle), 0.5 - reach * Math.cos(angle)];
  });

export const SIGNS = {
  cross: [
    [
      [0.2, 0.2],
      [0.8, 0.8],
    ],
    [
      [0.8, 0.2],
      [0.2, 0.8],
    ],
  ],
  triangle: [around(3, 0)],
  square: [around(4, Math.PI / 4)],
  star: [[0, 2, 4, 1, 3, 0].map((k) => around(5, 0)[k])],
  arrow: [
    [
      [0.18, 0.5],
      [0.82, 0.5],
    ],
    [
      [0.6, 0.28],
      [0.82, 0.5],
      [0.6, 0.72],
    ],
  ],
  wave: [Array.from({ length: 25 }, (_, k) => [0.14 + 0.03 * k, 0.5 + 0.16 * Math.sin((4 * Math.PI * k) / 24)])],
};

/** A sign as it is drawn for the k-th time: turned, slanted and stretched a little, its corners not quite in place. */
export function drawnSign(name, k) {
  const shaken = (i) => Math.sin(12.9898 * (k + 1) + 78.233 * i);
  const [turn, slant, wide] = [0.14 * shaken(1), 0.16 * shaken(2), 1 + 0.14 * shaken(3)];
  const [c, s] = [Math.cos(turn), Math.sin(turn)];
  return SIGNS[name].map((stroke, j) =>
    stroke.map(([x, y], i) => {
      const [u, v] = [wide * (x - 0.5) + slant * (0.5 - y), y - 0.5];
      const off = [0.015 * shaken(4 + 2 * i + 31 * j), 0.015 * shaken(5 + 2 * i + 31 * j)];
      return [0.5 + c * u - s * v + off[0], 0.5 + s * u + c * v + off[1]];
    }),
  );
}
