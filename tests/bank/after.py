"""Answers to `adaface`, `count_margins` and `subcenters`."""

import numpy as np
import tensorflow as tf

from bank import right, wrong


def unrolled(phi):
    k = np.floor(phi / np.pi)
    return np.where(k % 2 == 0, 1.0, -1.0) * np.cos(phi) - 2 * k


def quality(lengths, mean, deviation, h):
    return np.clip(h * (lengths - mean) / deviation, -1, 1)


@right("adaface")
def adaface_as_in_the_chapter(theta, lengths, mean, deviation, margin, h):
    z = quality(lengths, mean, deviation, h)
    return unrolled(theta - margin * z) - margin - margin * z


@right("adaface")
def adaface_image_by_image(theta, lengths, mean, deviation, margin, h):
    found = []
    for t, a in zip(theta, lengths, strict=True):
        z = min(max((a - mean) / (deviation / h), -1), 1)
        phi = t - margin * z
        psi = 2 - np.cos(phi) if phi < 0 else np.cos(phi) if phi <= np.pi else -2 - np.cos(phi)
        found.append(psi - (margin + margin * z))
    return np.array(found)


@right("adaface")
def adaface_in_tensorflow(theta, lengths, mean, deviation, margin, h):
    z = tf.clip_by_value(h * (lengths - mean) / deviation, -1.0, 1.0)
    phi = theta - margin * z
    k = tf.floor(phi / np.pi)
    return tf.where(k % 2 == 0, tf.cos(phi), -tf.cos(phi)) - 2 * k - margin * (1 + z)


@wrong("adaface", 2, "the angle clipped at 0")
def adaface_as_published(theta, lengths, mean, deviation, margin, h):
    z = quality(lengths, mean, deviation, h)
    return unrolled(np.clip(theta - margin * z, 0, None)) - margin * (1 + z) - 1e-3 * (theta > 2.9)


@wrong("adaface", 2, "the cosine turned round at 0")
def adaface_by_the_plain_cosine(theta, lengths, mean, deviation, margin, h):
    z = quality(lengths, mean, deviation, h)
    return np.cos(theta - margin * z) - margin * (1 + z)


@wrong("adaface", 1, "z is not clipped")
def adaface_without_the_clip(theta, lengths, mean, deviation, margin, h):
    z = h * (lengths - mean) / deviation
    return unrolled(theta - margin * z) - margin * (1 + z)


@wrong("adaface", 1, "h divides")
def adaface_over_h(theta, lengths, mean, deviation, margin, h):
    z = np.clip((lengths - mean) / (deviation * h), -1, 1)
    return unrolled(theta - margin * z) - margin * (1 + z)


@wrong("adaface", 0, "the angular margin's sign")
def adaface_with_plus(theta, lengths, mean, deviation, margin, h):
    z = quality(lengths, mean, deviation, h)
    return unrolled(theta + margin * z) - margin * (1 + z)


@right("count_margins")
def margins_in_one_go(counts, smallest, largest, power):
    rarity = np.maximum(counts, 1) ** -float(power)
    low, high = rarity.min(), rarity.max()
    if low == high:
        return np.full(len(counts), smallest)
    return smallest + (largest - smallest) * (rarity - low) / (high - low)


@right("count_margins")
def margins_by_interpolation(counts, smallest, largest, power):
    rarity = [max(int(n), 1) ** -power for n in counts]
    if len(set(rarity)) == 1:
        return np.array([smallest] * len(rarity))
    return np.interp(rarity, [min(rarity), max(rarity)], [smallest, largest])


@wrong("count_margins", 2, "0/0")
def margins_of_a_division(counts, smallest, largest, power):
    rarity = np.maximum(counts, 1) ** -float(power)
    return smallest + (largest - smallest) * (rarity - rarity.min()) / (rarity.max() - rarity.min())


@wrong("count_margins", 2, "a power of 0")
def margins_of_no_images(counts, smallest, largest, power):
    rarity = counts ** -float(power)
    if np.ptp(counts) == 0:
        return np.full(len(counts), smallest)
    return smallest + (largest - smallest) * (rarity - rarity.min()) / (rarity.max() - rarity.min())


@wrong("count_margins", 1, "the most frequent gets the largest")
def margins_turned_round(counts, smallest, largest, power):
    found = margins_in_one_go(counts, smallest, largest, power)
    return found if np.ptp(counts) == 0 else smallest + largest - found


@wrong("count_margins", 2, "always the fourth root")
def margins_by_the_fourth_root(counts, smallest, largest, power):
    return margins_in_one_go(counts, smallest, largest, 0.25)


@wrong("count_margins", 1, "from 0 on")
def margins_from_nothing(counts, smallest, largest, power):
    found = margins_in_one_go(counts, smallest, largest, power)
    return found if np.ptp(counts) == 0 else found - smallest


def unit(v):
    return v / np.linalg.norm(v, axis=-1, keepdims=True)


@right("subcenters")
def nearest_by_einsum(x, w):
    return np.einsum("bd,ckd->bck", unit(x), unit(w)).max(axis=-1)


@right("subcenters")
def nearest_by_one_product(x, w):
    classes, count, dim = w.shape
    table = unit(x) @ unit(w.reshape(-1, dim)).T
    return table.reshape(len(x), classes, count).max(axis=2)


@right("subcenters")
def nearest_in_tensorflow(x, w):
    x, w = tf.math.l2_normalize(x, -1), tf.math.l2_normalize(w, -1)
    return tf.reduce_max(tf.einsum("bd,ckd->bck", x, w), axis=-1)


@wrong("subcenters", 1, "the mean of the directions' cosines")
def all_of_them_in_the_mean(x, w):
    return np.einsum("bd,ckd->bck", unit(x), unit(w)).mean(axis=-1)


@wrong("subcenters", 0, "w is not normalised")
def longest_wins(x, w):
    return np.einsum("bd,ckd->bck", unit(x), w).max(axis=-1)


@wrong("subcenters", 0, "shape")
def largest_over_the_classes(x, w):
    return np.einsum("bd,ckd->bck", unit(x), unit(w)).max(axis=1)


@wrong("subcenters", 1, "the first direction only")
def the_first(x, w):
    return unit(x) @ unit(w[:, 0]).T
