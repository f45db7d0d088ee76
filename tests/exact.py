"""The one equation in 50-digit arithmetic, for single pairs (x, w) of float vectors.

It goes through acos, which is fine where there are digits to spare, so that it
shares no route with the code under test.
"""

import mpmath as mp
import numpy as np

mp.mp.dps = 50


class Pair:
    """What does not depend on margin or scale: norms, angle, tangents, all exact."""

    def __init__(self, x, w):
        x, w = [mp.mpf(float(v)) for v in x], [mp.mpf(float(v)) for v in w]
        self.x_norm, self.w_norm = mp.sqrt(mp.fdot(x, x)), mp.sqrt(mp.fdot(w, w))
        xh, wh = [v / self.x_norm for v in x], [v / self.w_norm for v in w]
        c = mp.fdot(xh, wh)
        # |c| = 1 up to the 50th digit where x lies on ±w.
        self.theta = mp.acos(max(-1, min(1, c)))
        self.x_unit = np.array([float(v) for v in xh])
        self.tangent_x = _unit([b - c * a for a, b in zip(xh, wh, strict=True)])
        self.tangent_w = _unit([a - c * b for a, b in zip(xh, wh, strict=True)])

    def logit(self, m1, m2, m3, scale):
        """S·ψ(θ), the branch k of ucos, and the gradients in x and w, as float64."""
        m1, m2, m3 = mp.mpf(m1), mp.mpf(m2), mp.mpf(m3)
        s = self.x_norm if scale == "norm" else mp.mpf(scale)
        phi = m1 * self.theta + m2
        k = mp.floor(phi / mp.pi)
        sign = 1 if k % 2 == 0 else -1
        psi = sign * mp.cos(phi) - 2 * k - m3
        slope = -m1 * sign * mp.sin(phi)
        gx = float(-s * slope / self.x_norm) * self.tangent_x
        if scale == "norm":
            gx = gx + float(psi) * self.x_unit
        gw = float(-s * slope / self.w_norm) * self.tangent_w
        return float(s * psi), int(k), gx, gw, float(slope)


def _unit(v):
    length = mp.sqrt(mp.fdot(v, v))
    if length < mp.mpf(10) ** -40:
        return np.zeros(len(v))
    return np.array([float(a / length) for a in v])


def pair_at(theta, dim, dtype, rng, x_norm=1.0, w_norm=1.0):
    """Vectors x, w of the dtype about θ apart: the angle is exact before rounding."""
    a = rng.standard_normal(dim)
    a /= np.linalg.norm(a)
    b = rng.standard_normal(dim)
    b -= (a @ b) * a
    b /= np.linalg.norm(b)
    x = np.cos(theta) * a + np.sin(theta) * b
    return (x * x_norm).astype(dtype), (a * w_norm).astype(dtype)
