"""Answers to `imprint` and `bootstrap`."""

import math

import numpy as np

from bank import right, wrong


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


@right("imprint")
def imprint_by_a_loop(x, labels):
    rows = []
    for j in range(max(labels) + 1):
        total = 0
        for row in x[labels == j]:
            total = total + row / math.sqrt(sum(row * row))
        rows.append(total / math.sqrt(sum(total * total)))
    return np.array(rows)


@right("imprint")
def imprint_by_a_table(x, labels):
    table = np.eye(labels.max() + 1)[labels]
    return unit(table.T @ unit(x))


@wrong("imprint", 2, "long embeddings weigh more")
def imprint_unit_at_the_end(x, labels):
    return unit(np.array([x[labels == j].mean(axis=0) for j in np.unique(labels)]))


@wrong("imprint", 1, "the mean is not of length 1")
def imprint_left_inside(x, labels):
    return np.array([unit(x)[labels == j].mean(axis=0) for j in np.unique(labels)])


@wrong("imprint", 0, "the mean of all")
def imprint_of_everybody(x, labels):
    return np.array([unit(unit(x).mean(axis=0)) for _ in np.unique(labels)])


@wrong("imprint", 1, "one image stands for its class")
def imprint_first_image(x, labels):
    return unit(x[[np.argmax(labels == j) for j in np.unique(labels)]])


@wrong("imprint", 0, "nothing is normalised")
def imprint_plain_means(x, labels):
    return np.array([x[labels == j].mean(axis=0) for j in np.unique(labels)])


@right("bootstrap")
def bootstrap_by_a_loop(scores, draws, far, confidence):
    found = []
    for draw in draws:
        falling = sorted(scores[draw], reverse=True)
        found.append(falling[math.floor(far * len(falling) + 1e-9)])
    tail = (1 - confidence) / 2
    return np.quantile(found, [tail, 1 - tail])


@right("bootstrap")
def bootstrap_by_partition(scores, draws, far, confidence):
    k = int(far * len(scores) + 1e-9)
    found = -np.partition(-scores[draws], k, axis=1)[:, k]
    return np.percentile(found, [50 - 50 * confidence, 50 + 50 * confidence])


@wrong("bootstrap", 0, "an interval of the scores")
def bootstrap_of_scores(scores, draws, far, confidence):
    return np.quantile(scores, [(1 - confidence) / 2, (1 + confidence) / 2])


@wrong("bootstrap", 0, "one tail")
def bootstrap_one_tail(scores, draws, far, confidence):
    k = int(far * len(scores) + 1e-9)
    return np.quantile(np.sort(scores[draws])[:, -1 - k], [1 - confidence, confidence])


@wrong("bootstrap", 0, "the threshold from the wrong end")
def bootstrap_from_below(scores, draws, far, confidence):
    k = int(far * len(scores) + 1e-9)
    return np.quantile(np.sort(scores[draws])[:, k], [(1 - confidence) / 2, (1 + confidence) / 2])


@wrong("bootstrap", 0, "one rank too low")
def bootstrap_one_more(scores, draws, far, confidence):
    k = int(far * len(scores) + 1e-9)
    return np.quantile(np.sort(scores[draws])[:, -2 - k], [(1 - confidence) / 2, (1 + confidence) / 2])


@wrong("bootstrap", 0, "the draws are not used")
def bootstrap_once(scores, draws, far, confidence):
    k = int(far * len(scores) + 1e-9)
    return np.full(2, np.sort(scores)[::-1][k])
