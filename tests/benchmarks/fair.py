"""Heads under equal conditions, for chapter 6: five seeds, every scale, choices made on held-out images.

python tests/benchmarks/fair.py      # writes book/results/fair.json, in about twenty minutes

The scale of each head is chosen on the last 10,000 training images, which are then not trained on. The
test images are looked at once, with the networks trained on all 60,000.
"""

import json
import time
from pathlib import Path

import numpy as np

from marginlab import Trainer, encoders, load_mnist, reference, verification
from marginlab.family import FAMILY

OUT = Path(__file__).parents[2] / "book" / "results" / "fair.json"
HEADS = ("softmax", "normface", "sphereface", "cosface", "arcface")
SCALES = (1.0, 3.0, 10.0, 30.0, 64.0)
SEEDS = range(5)
SPLITS = ((7, 8, 9), (0, 1, 2), (3, 4, 5), (1, 4, 6), (2, 5, 8), (0, 6, 9))
PAIRS, FAR = 20_000, 0.01
GRID = np.geomspace(1e-3, 1, 49)  # false accept rates of the curves

_, (X_TEST, Y_TEST) = load_mnist()


def scales_of(head):
    return SCALES if "scale" in FAMILY[head].settings else (None,)


def runs(trainer, scale):
    return [trainer.retrain(seed=seed, **({} if scale is None else {"scale": scale})) for seed in SEEDS]


def made(head, dim=2, **settings):
    return Trainer(head, frames=1, encoder=lambda: encoders.fast(dim=dim), **settings)


def shape(result):
    """Accuracy; the angle with nine images in ten; the middle one from a class to its nearest (degrees)."""
    directions = reference.unit(result.frames[-1].class_directions)
    angle = reference.angle(result.test_embeddings, directions[Y_TEST])
    between = np.degrees(reference.spacing(directions))
    return {
        "right": float(result.test_accuracy),
        "width": float(np.degrees(np.quantile(angle, 0.9))),
        "spacing": float(np.median(between)),
        "merged": int((between < 1).sum()),
    }


def sweep(head, dim):
    """On held-out images: {scale: the shares right}, and the scale with the best median."""
    trainer = made(head, dim, held_out=10_000)
    shares = {scale: [float(r.test_accuracy) for r in runs(trainer, scale)] for scale in scales_of(head)}
    return shares, max(shares, key=lambda scale: np.median(shares[scale]))


def pairs_of(digits):
    among = np.flatnonzero(np.isin(Y_TEST, digits))
    first, second, same = verification.pairs(Y_TEST[among], PAIRS)
    return among[first], among[second], same


def similarity(embeddings, first, second):
    x = reference.unit(embeddings)
    return np.sum(x[first] * x[second], axis=1)


def verified(embeddings, digits, curve=False):
    """Equal error rate, TAR at FAR 0.01, and perhaps TAR on the grid of false accept rates."""
    first, second, same = pairs_of(digits)
    found = similarity(embeddings, first, second)
    _, far, tar = verification.rates(found, same)
    rates = {"eer": verification.eer(found, same), "tar": verification.tar_at(found, same, FAR)}
    return rates | ({"curve": np.interp(GRID, far, tar).tolist()} if curve else {})


def travelled(embeddings, known, strangers):
    """A threshold set where 1 % of the pairs of known digits are accepted wrongly, and taken elsewhere.

    Its FAR and TAR on strangers; and, of pairs of one known digit, the share rejected, digit by digit.
    """
    first, second, same = pairs_of(known)
    found = similarity(embeddings, first, second)
    threshold, far, _ = verification.rates(found, same)
    at = threshold[np.flatnonzero(far <= FAR)[-1]]
    rejected = {d: float(np.mean(found[same & (Y_TEST[first] == d)] < at)) for d in known}
    first, second, same = pairs_of(strangers)
    found = similarity(embeddings, first, second)
    return {
        "far": float(np.mean(found[~same] >= at)),
        "tar": float(np.mean(found[same] >= at)),
        "rejected": rejected,
    }


def strange(own):
    """Each split, dimension and head: three digits are never seen, and told apart by the cosine."""
    rows = []
    pixels = X_TEST.reshape(len(X_TEST), -1) / 255.0
    for split in SPLITS:
        known = [d for d in range(10) if d not in split]
        for name, x in (("pixels", pixels), ("pixels, their mean taken off", pixels - pixels.mean(axis=0))):
            rows.append({"head": name, "strangers": split, "runs": [verified(x, split, curve=True)]})
        for dim in (2, 32):
            for head in HEADS:
                scale = own[dim][head]
                found = runs(made(head, dim, digits=known), scale)
                row = {"head": head, "strangers": split, "dim": dim, "scale": scale}
                first = split == SPLITS[0]
                row["runs"] = [verified(r.test_embeddings, split, curve=first) for r in found]
                if first:
                    row["known"] = [verified(r.test_embeddings, known, curve=True) for r in found]
                    row["travelled"] = [travelled(r.test_embeddings, known, split) for r in found]
                rows.append(row)
                middle = np.median([r["eer"] for r in row["runs"]])
                print(f"strangers {split}, d = {dim}, {head}: equal error rate {middle:.3f}", flush=True)
    return rows


def equal_scale():
    """Known digits of the first split at scale 30 for every head that has one."""
    known = [d for d in range(10) if d not in SPLITS[0]]
    found = {h: runs(made(h, digits=known), 30.0) for h in HEADS if h != "softmax"}
    return {h: [verified(r.test_embeddings, known) for r in rs] for h, rs in found.items()}


def begun(scale=30.0):
    """With and without annealing, at one scale for all: shares right, and how many classes share a direction.

    A class shares its direction when another stands within a degree of it.
    """
    rows = []
    for head in ("normface", "sphereface", "cosface", "arcface"):
        for how, options in (("annealed", {}), ("from the start", {"anneal": None})):
            margin = {"margin": 2.0} if head == "sphereface" else {}
            found = [shape(r) for r in runs(made(head, **options, **margin), scale)]
            rows.append({"head": head, "how": how, "scale": scale} | margin | {"runs": found})
            middle = np.median([r["right"] for r in found])
            print(f"{head}, {how}: {middle:.2%}, {[r['merged'] for r in found]}", flush=True)
    return rows


def flat(dim=128, scale=10.0):
    """SphereFace at 2 in many dimensions, where images begin at 90°: their angles at the end (degrees)."""
    rows = []
    for how, options in (("annealed", {}), ("from the start", {"anneal": None})):
        found = []
        for result in runs(made("sphereface", dim, margin=2.0, **options), scale):
            angle = reference.angle(result.test_embeddings, result.frames[-1].class_directions[Y_TEST])
            quantiles = np.degrees(np.quantile(angle, (0.1, 0.5, 0.9))).tolist()
            found.append({"right": float(result.test_accuracy), "angles": quantiles})
        rows.append({"head": "sphereface", "how": how, "dim": dim, "scale": scale, "runs": found})
        print(f"d = {dim}, {how}: {[r['angles'] for r in found]}", flush=True)
    return rows


def rounded(value):
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {str(key): rounded(v) for key, v in value.items()}
    return [rounded(v) for v in value] if isinstance(value, list | tuple) else value


def lines(found):
    """JSON with a line for each part, and for each row of the strangers."""
    text = json.dumps(rounded(found), separators=(",", ":"))
    for key in found:
        text = text.replace(f',"{key}":', f',\n"{key}":')
    return text.replace('{"head":', '\n{"head":') + "\n"


def main():
    start = time.monotonic()
    held_out, own = {}, {2: {}, 32: {}}
    for dim in own:
        for head in HEADS:
            shares, own[dim][head] = sweep(head, dim)
            if dim == 2:
                held_out[head] = shares
            print(f"d = {dim}, {head}: scale {own[dim][head]}", flush=True)
    tested = {}
    for head in HEADS:
        trainer = made(head)
        tested[head] = {scale: [shape(r) for r in runs(trainer, scale)] for scale in scales_of(head)}
    margins = {h: {k: s.default for k, s in FAMILY[h].settings.items() if k != "scale"} for h in HEADS}
    found = {
        "command": "python tests/benchmarks/fair.py",
        "seeds": list(SEEDS),
        "margins": margins,
        "own scale": own,
        "held out": held_out,
        "tested": tested,
        "known at 30": equal_scale(),
        "begun": begun(),
        "flat": flat(),
        "strangers": strange(own),
        "grid": GRID.tolist(),
    }
    OUT.write_text(lines(found), encoding="utf-8")
    print(f"{OUT.name} written, {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
