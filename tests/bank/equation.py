"""Answers to `ucos` and `psi`."""

import numpy as np
import tensorflow as tf

from bank import right, wrong
from marginlab import geometry

right("ucos")(geometry.ucos)


@right("ucos")
def ucos_by_loops(phi):
    out = np.zeros(np.shape(phi))
    for at, p in np.ndenumerate(phi):
        k = int(p / np.pi)
        out[at] = (-1) ** k * np.cos(float(p)) - 2 * k
    return out


@right("ucos")
def ucos_without_powers(phi):
    k = np.floor_divide(phi, np.pi)
    return np.cos(phi - k * np.pi) - 2 * k


@right("ucos")
def ucos_in_tensorflow(phi):
    k = tf.floor(phi / np.pi)
    return tf.where(k % 2 == 0, 1.0, -1.0).numpy() * tf.cos(phi) - 2 * k


@wrong("ucos", 0, "the sign flips past π")
def ucos_plain(phi):
    return tf.cos(phi)


@wrong("ucos", 0, "only the sign")
def ucos_no_steps(phi):
    return np.where(phi // np.pi % 2 == 0, 1, -1) * np.cos(phi)


@wrong("ucos", 0, "the sign turned round")
def ucos_turned_round(phi):
    k = np.floor(phi / np.pi)
    return (-1) ** (k + 1) * np.cos(phi) - 2 * k


@wrong("ucos", 0, "steps of 2π")
def ucos_steps_too_high(phi):
    k = np.floor(phi / np.pi)
    return (-1) ** k * np.cos(phi) - 2 * k * np.pi


@wrong("ucos", 0, "only the steps")
def ucos_no_sign(phi):
    return np.cos(phi) - 2 * (phi // np.pi)


@wrong("ucos", 0, "held at π")
def ucos_held(phi):
    return np.cos(np.minimum(phi, np.pi))


@wrong("ucos", 1, "reflected once")
def ucos_reflected(phi):
    return np.where(phi < np.pi, np.cos(phi), -2 - np.cos(phi))


@wrong("ucos", 0, "exception")
def ucos_for_one_number(phi):
    return np.cos(phi) if phi < np.pi else -2 - np.cos(phi)


right("psi")(lambda theta, m1, m2, m3: geometry.ucos(m1 * theta + m2) - m3)


@right("psi")
def psi_in_numpy(theta, m1, m2, m3):
    phi = m1 * theta + m2
    k = phi // np.pi
    return (1 - 2 * (k % 2)) * np.cos(phi) - 2 * k - m3


@right("psi")
def psi_by_loops(theta, m1, m2, m3):
    return np.array([float(ucos_by_loops(m1 * t + m2)) - m3 for t in theta])


@wrong("psi", 2, "the sign flips past π")
def psi_plain(theta, m1, m2, m3):
    return np.cos(m1 * theta + m2) - m3


@wrong("psi", 2, "only the sign")
def psi_without_the_steps(theta, m1, m2, m3):
    phi = m1 * theta + m2
    return (-1) ** (phi // np.pi) * np.cos(phi) - m3


@wrong("psi", 0, "m3 at the wrong sign")
def psi_sign(theta, m1, m2, m3):
    return psi_in_numpy(theta, m1, m2, -m3)


@wrong("psi", 1, "m1 multiplies the sum")
def psi_brackets(theta, m1, m2, m3):
    return psi_in_numpy(m1 * (theta + m2), 1, 0, m3)


@wrong("psi", 0, "degrees given for radians")
def psi_degrees(theta, m1, m2, m3):
    return psi_in_numpy(theta, m1, np.radians(m2), m3)


@wrong("psi", 0, "m3 inside the cosine")
def psi_inside(theta, m1, m2, m3):
    return psi_in_numpy(theta, m1, m2 + m3, 0)
