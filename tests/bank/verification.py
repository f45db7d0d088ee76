"""Answers to `tar_at_far` and `eer`."""

import math

import numpy as np

from bank import right, wrong


@right("tar_at_far")
def tar_by_sorting(scores, same, far):
    others = np.sort(scores[~same])
    return np.mean(scores[same] > others[len(others) - 1 - math.floor(far * len(others) + 1e-9)])


@right("tar_at_far")
def tar_by_trying_all(scores, same, far):
    best = 0.0
    for t in np.append(np.unique(scores), np.inf):
        if np.mean(scores[~same] >= t) <= far + 1e-12:
            best = max(best, float(np.mean(scores[same] >= t)))
    return best


@right("tar_at_far")
def tar_by_counting_strangers_first(scores, same, far):
    order = np.lexsort((same, -scores))
    rates = np.cumsum(~same[order]) / np.sum(~same), np.cumsum(same[order]) / np.sum(same)
    return rates[1][rates[0] <= far + 1e-12].max(initial=0.0)


@wrong("tar_at_far", 2, "at least for above")
def tar_by_counting(scores, same, far):
    order = np.argsort(-scores)
    rates = np.cumsum(~same[order]) / np.sum(~same), np.cumsum(same[order]) / np.sum(same)
    return rates[1][rates[0] <= far + 1e-12].max(initial=0.0)


@wrong("tar_at_far", 0, "same turned round")
def tar_turned_round(scores, same, far):
    return tar_by_sorting(scores, ~same, far)


@wrong("tar_at_far", 0, "the rejected for the accepted")
def tar_rejected(scores, same, far):
    return 1 - tar_by_sorting(scores, same, far)


@wrong("tar_at_far", 0, "the threshold from all scores")
def tar_all_scores(scores, same, far):
    return np.mean(scores[same] > np.quantile(scores, 1 - far))


@wrong("tar_at_far", 2, "at least for above")
def tar_at_least(scores, same, far):
    others = np.sort(scores[~same])
    return np.mean(scores[same] >= others[len(others) - 1 - math.floor(far * len(others) + 1e-9)])


@right("tar_at_far")
def tar_by_a_loop(scores, same, far):
    for t in np.append(-np.inf, np.unique(scores)):
        if np.mean(scores[~same] > t) <= far + 1e-12:
            return np.mean(scores[same] > t)


@wrong("tar_at_far", 2, "more false accepts than allowed")
def tar_by_quantile(scores, same, far):
    return np.mean(scores[same] > np.quantile(scores[~same], 1 - far))


@wrong("tar_at_far", 1, "more false accepts than allowed")
def tar_one_too_high(scores, same, far):
    others = np.sort(scores[~same])[::-1]
    return np.mean(scores[same] > others[max(math.floor(far * len(others) + 1e-9) - 1, 0)])


@wrong("tar_at_far", 0, "a count for a share")
def tar_count(scores, same, far):
    return tar_by_sorting(scores, same, far) * np.sum(same)


@wrong("tar_at_far", 0, "the threshold from the wrong end")
def tar_from_below(scores, same, far):
    return np.mean(scores[same] > np.sort(scores[~same])[math.floor(far * np.sum(~same) + 1e-9)])


@wrong("tar_at_far", 0, "the threshold for the rate")
def tar_threshold(scores, same, far):
    return np.quantile(scores[~same], 1 - far)


@right("eer")
def eer_by_trying_all(scores, same):
    rates = [(np.mean(scores[~same] >= t), np.mean(scores[same] < t)) for t in np.linspace(-0.5, 1, 1501)]
    far, frr = min(rates, key=lambda r: abs(r[0] - r[1]))
    return (far + frr) / 2


@right("eer")
def eer_interpolated(scores, same):
    order = np.argsort(-scores)
    far = np.cumsum(~same[order]) / np.sum(~same)
    frr = 1 - np.cumsum(same[order]) / np.sum(same)
    i = int(np.argmax(far >= frr))
    return (far[i] + frr[i]) / 2


@wrong("eer", 0, "1 less the error")
def eer_accuracy(scores, same):
    return 1 - eer_interpolated(scores, same)


@wrong("eer", 0, "TAR for the false rejects")
def eer_of_tar(scores, same):
    rates = [(np.mean(scores[~same] > t), np.mean(scores[same] > t)) for t in np.linspace(-0.5, 1, 1501)]
    return np.mean(min(rates, key=lambda r: abs(r[0] - r[1])))


@wrong("eer", 0, "shares of all pairs")
def eer_of_all_pairs(scores, same):
    rates = [
        (np.mean((scores > t) & ~same), np.mean((scores <= t) & same)) for t in np.linspace(-0.5, 1, 1501)
    ]
    return np.mean(min(rates, key=lambda r: abs(r[0] - r[1])))


@wrong("eer", 0, "the threshold for the rate")
def eer_threshold(scores, same):
    ts = np.linspace(-0.5, 1, 1501)
    return ts[np.argmin([abs(np.mean(scores[~same] >= t) - np.mean(scores[same] < t)) for t in ts])]


@wrong("eer", 0, "the least error for the equal error")
def eer_least(scores, same):
    return min(np.mean((scores >= t) != same) for t in np.linspace(-0.5, 1, 1501))
