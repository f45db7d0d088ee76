"""The runs behind chapter 8: poor images, wrong labels and rare classes, five seeds each.

python tests/benchmarks/troubles.py          # writes book/results/troubles.json, in about twenty minutes
python tests/benchmarks/troubles.py labels   # only this part anew

Angles are in degrees. Within a part all heads have one scale, and see the same images.
"""

import functools

import numpy as np
import parts
from keras import ops

from marginlab import Trainer, encoders, heads, load_mnist, reference, troubles

SEEDS = range(5)
(X_TRAIN, Y_TRAIN), (X_TEST, Y_TEST) = load_mnist()
Y_TRAIN = Y_TRAIN.astype("int64")


def share_above(low, high):
    """How often a number of `high` is above one of `low`: 0.5 if the two tell nothing. Ties count half."""
    both = np.sort(np.asarray(low))
    under = np.searchsorted(both, high, "left") + np.searchsorted(both, high, "right")
    return float(np.mean(under) / 2 / len(both))


def half_blurred():
    """Images of which half of the training ones are blurred and all levels are tested; and those levels."""
    rng = np.random.default_rng(0)
    train, test = rng.choice([0, 0, 0, 0, 1, 2, 3, 4], len(X_TRAIN)), rng.integers(0, 5, len(X_TEST))
    return (troubles.blurred(X_TRAIN, train), troubles.blurred(X_TEST, test, seed=1)), test


def poor():
    """Half of the training images blurred. By blur: shares right, lengths; and what tells the wrong ones."""
    cases = [("arcface", m, heads.ArcFace(10, margin=m, scale=30.0)) for m in (0.15, 0.3, 0.5)]
    cases += [("adaface", m, heads.AdaFace(10, margin=m, scale=30.0)) for m in (0.1, 0.2, 0.3)]
    pairs = ((0.1, 0.3), (0.2, 0.5), (0.45, 0.8))
    cases += [("magface", m, heads.MagFace(10, margins=m, scale=30.0)) for m in pairs]
    cases += [("arcface, no poor images", 0.3, heads.ArcFace(10, margin=0.3, scale=30.0))]
    return looked_at(cases)


class OfAnother(heads.AdaFace):
    """AdaFace with margins as large for the wrong images: each has that of its neighbour in the batch."""

    def quality(self, x):
        return ops.roll(super().quality(x), 1)


def as_strong():
    """The controls of `poor`: margins as large or larger, and such that know nothing of the image."""
    cases = [("cosface", m, heads.CosFace(10, margin=m, scale=30.0)) for m in (0.1, 0.2, 0.3)]
    cases += [("arcface", m, heads.ArcFace(10, margin=m, scale=30.0)) for m in (0.8, 1.1)]
    cases += [("adaface", m, heads.AdaFace(10, margin=m, scale=30.0)) for m in (0.5, 0.7)]
    cases += [("adaface of another", m, OfAnother(10, margin=m, scale=30.0)) for m in (0.2, 0.3)]
    return looked_at(cases)


def looked_at(cases):
    images, levels = half_blurred()
    rows = []
    for name, margin, head in cases:
        own = (X_TRAIN, images[1]) if name.endswith("no poor images") else images
        trainer = Trainer(head, frames=1, images=own)
        found = [seen(trainer.retrain(seed=seed), levels) for seed in SEEDS]
        rows.append({"head": name, "margin": margin, "scale": 30.0, "runs": found})
        print(name, margin, [r["all"] for r in found], flush=True)
    return rows


def seen(result, levels):
    x, w = result.test_embeddings, result.frames[-1].class_directions
    cosines, length = np.sort(reference.unit(x) @ w.T, axis=1), np.linalg.norm(x, axis=1)
    right, at = np.argmax(x @ w.T, axis=1) == Y_TEST, [levels == k for k in range(5)]
    lead = cosines[:, -1] - cosines[:, -2]
    return {
        "all": float(right.mean()),
        "right": [float(right[k].mean()) for k in at],
        "length": [float(np.median(length[k])) for k in at],
        "shorter": share_above(length[~right], length[right]),
        "shorter within": [share_above(length[k & ~right], length[k & right]) for k in at],
        "lead": share_above(lead[~right], lead[right]),
    }


def labels(share=0.2, scale=10.0, margin=0.3):
    """A fifth of the labels wrong: K directions a class, what they tell of the wrong ones, and a second run.

    The second run leaves out what is further than 36° from its label's dominant direction, and has K = 1.
    """
    rows = []
    for kind in ("next", "even"):
        given = troubles.mislabelled(Y_TRAIN, share, kind)
        wrong = given != Y_TRAIN
        for count in (1, 2, 3):
            trainer = made(given, count, margin, scale)
            found = [told(trainer, trainer.retrain(seed=seed), given, wrong, seed) for seed in SEEDS]
            rows.append({"kind": kind, "K": count, "scale": scale, "margin": margin, "runs": found})
            print(kind, count, [(r["right"], r["cleaned"]) for r in found], flush=True)
        trainer = made(np.where(wrong, -1, given), 1, margin, scale)
        found = [{"right": float(trainer.retrain(seed=seed).test_accuracy)} for seed in SEEDS]
        rows.append({"kind": f"{kind}, all wrong ones left out", "K": 1, "scale": scale, "runs": found})
    return rows


def made(given, count, margin, scale):
    head = heads.ArcFace(10, margin=margin, scale=scale, subcenters=count)
    return Trainer(head, frames=1, labels=given)


def told(trainer, result, given, wrong, seed, limit=36.0):
    x = trainer.encoder.predict(X_TRAIN, batch_size=5000, verbose=0)
    angles, rank = troubles.dominant_angles(x, result.frames[-1].class_directions, given)
    out, second = angles > limit, rank > 0
    cleaned = made(np.where(out, -1, given), 1, trainer.head.margin, trainer.head.scale).retrain(seed=seed)
    return {
        "right": float(result.test_accuracy),
        "further": share_above(angles[~wrong], angles[wrong]),
        "second": float(second.mean()),
        "second wrong": float(wrong[second].mean()) if second.any() else None,
        "out": float(out.mean()),
        "out wrong": float(wrong[out].mean()) if out.any() else None,
        "caught": float(out[wrong].mean()),
        "cleaned": float(cleaned.test_accuracy),
    }


def disagree(share=0.2, scale=10.0, margin=0.3):
    """The control of `labels`: one direction a class, and left out is what the network calls otherwise."""
    rows = []
    for kind in ("next", "even"):
        given = troubles.mislabelled(Y_TRAIN, share, kind)
        wrong, trainer, found = given != Y_TRAIN, made(given, 1, margin, scale), []
        for seed in SEEDS:
            directions = trainer.retrain(seed=seed).frames[-1].class_directions
            x = trainer.encoder.predict(X_TRAIN, batch_size=5000, verbose=0)
            out = np.argmax(x @ directions.T, axis=1) != given
            cleaned = made(np.where(out, -1, given), 1, margin, scale).retrain(seed=seed)
            run = {"out": float(out.mean()), "out wrong": float(wrong[out].mean())}
            found.append(run | {"caught": float(out[wrong].mean()), "cleaned": float(cleaned.test_accuracy)})
        rows.append({"kind": kind, "K": 1, "scale": scale, "margin": margin, "runs": found})
        print(kind, "disagree", [(r["out wrong"], r["caught"], r["cleaned"]) for r in found], flush=True)
    return rows


def rare(share=0.01, scale=30.0):
    """Five digits with one image in a hundred: per class the share right, by the margins.

    As they come; and with the gaps filled by copies, so that each digit is shown as often as before.
    """
    rows = []
    for digits in ((1, 3, 5, 7, 9), (0, 2, 4, 6, 8)):
        given = troubles.thinned(Y_TRAIN, digits, share)
        counts = np.bincount(given[given >= 0], minlength=10)
        by = heads.margins_by_count(counts)
        cases = {"0": np.zeros(10), "0.3": np.full(10, 0.3), "by count": by}
        cases["the other way round"] = by.min() + by.max() - by
        copies = (X_TRAIN[troubles.repeated(given, Y_TRAIN)], X_TEST)
        ways = [(dim, how) for dim in (2, 16) for how in ("seldom", "as often")]
        for dim, shown in ways:
            data = {"labels": given} if shown == "seldom" else {"images": copies}
            encoder = functools.partial(encoders.fast, dim)
            head = heads.ArcFace(10, margin=by, scale=scale)
            trainer = Trainer(head, frames=1, encoder=encoder, **data)
            for name, margins in cases.items():
                found = [by_class(trainer.retrain(seed=seed, margin=margins)) for seed in SEEDS]
                row = {"rare": digits, "counts": counts.tolist(), "dim": dim, "shown": shown}
                rows.append(row | {"margin": name, "scale": scale, "runs": found})
                print(digits, dim, shown, name, [r["all"] for r in found], flush=True)
    return rows


def by_class(result):
    given = np.argmax(result.test_embeddings @ result.frames[-1].class_directions.T, axis=1)
    right = given == Y_TEST
    return {
        "all": float(right.mean()),
        "right": [float(right[d == Y_TEST].mean()) for d in range(10)],
        "said": np.bincount(given, minlength=10).tolist(),
    }


PARTS = {"poor": poor, "as strong": as_strong, "labels": labels, "disagree": disagree, "rare": rare}


if __name__ == "__main__":
    parts.write("troubles", PARTS, SEEDS)
