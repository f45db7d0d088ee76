"""From an embedding to a decision, for chapter 9: thresholds, probabilities, groups, and who comes later.

python tests/benchmarks/strangers.py            # writes book/results/strangers.json, in ten to twenty minutes
python tests/benchmarks/strangers.py groups     # only this part anew

ArcFace at margin 0.3 and scale 30 unless a row says otherwise; five seeds each. Angles are in degrees.
"""

import functools
import re
import sys
import tempfile
from pathlib import Path

import keras
import numpy as np
import parts
import tensorflow as tf
from fair import SPLITS

from marginlab import MarginClassifier, Trainer, encoders, load_mnist, reference, verification

sys.path += [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "book" / "_ext")]
SEEDS = range(5)
DIMS = (2, 32)
(X_TRAIN, Y_TRAIN), (X_TEST, Y_TEST) = load_mnist()


def made(dim=2, head="arcface", digits=range(10), **settings):
    given = {} if head == "softmax" else {"scale": 30.0} | settings
    return Trainer(head, frames=1, digits=digits, encoder=functools.partial(encoders.fast, dim), **given)


def runs(trainer):
    """Of each seed the unit embeddings of the test images, (10000, d), and the class directions."""
    for seed in SEEDS:
        result = trainer.retrain(seed=seed)
        yield reference.unit(result.test_embeddings), reference.unit(result.frames[-1].class_directions)


def similarity(x, first, second):
    return np.sum(x[first] * x[second], axis=1)


# How many pairs a rate takes.

POOL, DRAWS, FAR = 2_000_000, 200, 1e-3
COUNTS = (300, 1000, 3000, 10_000, 100_000)


def claimed(falling, others, same, rng, size):
    """Of thresholds from `size` pairs: their true rates, and how often the interval holds the true one."""
    at = falling[int(FAR * len(falling)) - 1]
    found, held, enough = [], [], False
    for _ in range(DRAWS):
        drawn = others(rng)
        values = np.concatenate([drawn, rng.choice(same, 2000)])
        kinds = np.arange(len(values)) >= len(drawn)
        t = verification.threshold(values, kinds, FAR, draws=500)
        found.append(float(np.mean(falling >= float(t))))
        held.append(t.interval[0] <= at <= t.interval[1])
        enough = t.enough
    low, middle, high = np.quantile(found, (0.05, 0.5, 0.95))
    return {"pairs": size, "far": [low, middle, high], "held": float(np.mean(held)), "enough": bool(enough)}


def pairs():
    """A threshold for a rate of 1e-3 from n pairs, against two million pairs of the same network."""
    rows = []
    for dim in DIMS:
        found = []
        for seed, (x, _) in enumerate(runs(made(dim))):
            rng = np.random.default_rng(seed)
            first, second, same = verification.pairs(Y_TEST, 2 * POOL, seed)
            values = similarity(x, first, second)
            others, alike = values[~same], values[same]
            falling = np.sort(others)[::-1]
            found += [
                claimed(falling, lambda rng, n=n, others=others: rng.choice(others, n), alike, rng, n)
                for n in COUNTS
            ]
            few = functools.partial(among_few, x)
            found.append(claimed(falling, few, alike, rng, "all of 100 images"))
        sizes = [row["pairs"] for row in found[: len(COUNTS) + 1]]
        for k, size in enumerate(sizes):
            rows.append({"head": "arcface", "dim": dim, "pairs": size, "runs": found[k :: len(sizes)]})
            print(dim, size, [(r["far"], r["held"]) for r in rows[-1]["runs"][:2]], flush=True)
    return rows


def among_few(x, rng, count=100):
    """All pairs of two digits among a few images: thousands of pairs, and yet few images."""
    few = rng.choice(len(x), count, replace=False)
    i, j = np.triu_indices(count, 1)
    different = Y_TEST[few][i] != Y_TEST[few][j]
    return similarity(x, few[i], few[j])[different]


# Probabilities.

KNOWN, STRANGE = tuple(range(7)), (7, 8, 9)


def drawn_pairs(digits, part, seed, count=20_000):
    """Pairs among the test images of some digits; part 0 or 1: of two halves that share no image."""
    among = np.flatnonzero(np.isin(Y_TEST, digits))[part::2]
    first, second, same = verification.pairs(Y_TEST[among], count, seed)
    return among[first], among[second], same


def off(p, right, bins=10):
    """Expected calibration error: mean gap between probability and share, by bins of equal width."""
    which = np.minimum((np.asarray(p) * bins).astype(int), bins - 1)
    gaps = [abs(np.sum(p[which == b]) - np.sum(right[which == b])) for b in range(bins)]
    return float(sum(gaps) / len(p))


def softmax(logits):
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def confidence(trainer, scale):
    """The head's own probabilities on known digits and on strangers; and of pairs those of `calibrate`."""
    is_known, found = np.isin(Y_TEST, KNOWN), []
    for seed, (x, w) in enumerate(runs(trainer)):
        p = softmax(scale * x @ w.T)
        best, right = p.max(axis=1), np.array(KNOWN)[p.argmax(axis=1)] == Y_TEST
        row = {
            "right": float(right[is_known].mean()),
            "said": float(best[is_known].mean()),
            "off": off(best[is_known], right[is_known]),
            "said of wrong": float(best[is_known & ~right].mean()),
            "said of strangers": float(best[~is_known].mean()),
            "strangers above 0.99": float(np.mean(best[~is_known] > 0.99)),
        }
        first, second, same = drawn_pairs(KNOWN, 0, seed)
        line = verification.calibrate(similarity(x, first, second), same)
        for name, digits in (("known pairs", KNOWN), ("strange pairs", STRANGE)):
            first, second, same = drawn_pairs(digits, 1, seed)
            row[f"off, {name}"] = off(line(similarity(x, first, second)), same)
        found.append(row | {"slope": line.slope, "offset": line.offset})
    return found


def probabilities():
    """What the softmax of a head says, at three scales of training, and what a calibration says."""
    rows = []
    for dim in DIMS:
        for scale in (10.0, 30.0, 64.0):
            found = confidence(made(dim, digits=KNOWN, scale=scale), scale)
            rows.append({"head": "arcface", "dim": dim, "scale": scale, "runs": found})
            print(dim, scale, found[0], flush=True)
    return rows


# Two groups.

GROUPS = ((0, 1, 2, 3, 4), (5, 6, 7, 8, 9))


def rare(trainer, digits, share):
    """Leaves of the training images of some digits only a share: the first ones."""
    labels = np.asarray(trainer._y)
    keep = np.ones(len(labels), bool)
    for digit in digits:
        its = np.flatnonzero(labels == digit)
        keep[its[int(share * len(its)) :]] = False
    kept = np.flatnonzero(keep)
    trainer._x, trainer._y = tf.gather(trainer._x, kept), tf.gather(trainer._y, kept)
    trainer._examples = len(kept)


class Rare(Trainer):
    """A Trainer that has few images of some digits, and takes as many steps as one that has all."""

    def __init__(self, few, share, **options):
        self._few = few, share
        super().__init__(**options)

    def _load(self, digits, held_out, labels):
        super()._load(digits, held_out, labels)
        self._all = self._examples
        rare(self, *self._few)

    def _compile(self, learning_rate, beta_2):
        self.steps = -(-self.epochs * self._all // self.batch_size)
        super()._compile(learning_rate, beta_2)


def one_for_all(x, w, seed):
    """A threshold where 1 % of pairs of two digits of all are accepted, and what it does in each group."""
    first, second, same = verification.pairs(Y_TEST, 200_000, seed)
    t = float(verification.threshold(similarity(x, first, second), same, 0.01, draws=100))
    angle = np.degrees(reference.angle(x, w[Y_TEST]))
    row = {"threshold": t}
    for name, digits in zip(("0 to 4", "5 to 9"), GROUPS, strict=True):
        inside = np.flatnonzero(np.isin(Y_TEST, digits))
        a, b, alike = verification.pairs(Y_TEST[inside], 100_000, seed)
        found = similarity(x, inside[a], inside[b])
        own = verification.threshold(found, alike, 0.01, draws=100)
        row[name] = {
            "width": float(np.quantile(angle[inside], 0.9)),
            "far": float(np.mean(found[~alike] >= t)),
            "rejected": float(np.mean(found[alike] < t)),
            "own threshold": float(own),
            "rejected at own": 1 - own.tar,
        }
    return row


def groups():
    """One threshold for two groups, of which one, the other or neither was rare in training."""
    rows = []
    cases = [(2, "none", (), 1.0), (32, "none", (), 1.0)]
    for share in (0.1, 0.02):
        cases += [(32, "5 to 9", GROUPS[1], share), (32, "0 to 4", GROUPS[0], share)]
    for dim, name, few, share in cases:
        encoder = functools.partial(encoders.fast, dim)
        trainer = Rare(few, share, head="arcface", frames=1, encoder=encoder, scale=30.0)
        found = [one_for_all(x, w, seed) for seed, (x, w) in enumerate(runs(trainer))]
        rows.append({"head": "arcface", "dim": dim, "rare": name, "share": share, "runs": found})
        print(dim, name, share, found[0], flush=True)
    return rows


# Enrolling.

FEW = (1, 5, 20, 100)


def prototypes(x, y, digits):
    return reference.unit(np.array([reference.unit(x[y == d]).mean(axis=0) for d in digits]))


def enrolled(strange, rows, known, split, x, seed):
    """Accuracy with three directions of few images each: {how many: new, old after}, means of ten draws."""
    images, labels = strange
    rng, out = np.random.default_rng(seed), {}
    digits = np.array([*known, *split])
    for count in FEW:
        draws = []
        for _ in range(10):
            new = [images[rng.choice(np.flatnonzero(labels == d), count, False)] for d in split]
            w = np.concatenate([rows, reference.unit(np.array([n.mean(axis=0) for n in new]))])
            right = digits[np.argmax(x @ w.T, axis=1)] == Y_TEST
            is_new = np.isin(Y_TEST, split)
            draws.append((right[is_new].mean(), right[~is_new].mean()))
        new, old = np.mean(draws, axis=0)
        out[count] = {"new": float(new), "old": float(old)}
    return out


def at_the_door(x, rows, known):
    """A threshold that 95 % of the known images pass: which share of strangers comes in by it."""
    best, is_known = (x @ rows.T).max(axis=1), np.isin(Y_TEST, known)
    at = float(np.quantile(best[is_known], 0.05))
    return {"threshold": at, "strangers in": float(np.mean(best[~is_known] >= at))}


def pixel_vectors(x):
    flat = x.reshape(len(x), -1) / 255.0
    return flat - X_TRAIN.reshape(len(X_TRAIN), -1).mean(axis=0) / 255.0


def enrol():
    """Three digits left out of training: turned away as long as unknown, then enrolled from few images."""
    rows, everyone = [], {}
    pixels, pixels_test = pixel_vectors(X_TRAIN), reference.unit(pixel_vectors(X_TEST))
    for dim in DIMS:
        everyone[dim] = [np.argmax(x @ w.T, axis=1) == Y_TEST for x, w in runs(made(dim))]
    for split in SPLITS:
        known = [d for d in range(10) if d not in split]
        is_new = np.isin(Y_TEST, split)
        chosen = np.flatnonzero(np.isin(Y_TRAIN, split))[:6000]
        strange = reference.unit(pixels[chosen]), Y_TRAIN[chosen]
        w = prototypes(pixels, Y_TRAIN, known)
        found = enrolled(strange, w, known, split, pixels_test, 0)
        rows.append(
            {
                "head": "pixels",
                "strangers": split,
                "runs": [{"few": found, **at_the_door(pixels_test, w, known)}],
            }
        )
        for dim in DIMS:
            trainer, found = made(dim, digits=known), []
            for seed, (x, w) in enumerate(runs(trainer)):
                embedded = np.asarray(trainer.encoder(X_TRAIN[chosen]))
                before = np.array(known)[np.argmax(x @ w.T, axis=1)] == Y_TEST
                row = {
                    "before": float(before[~is_new].mean()),
                    "trained": float(everyone[dim][seed][is_new].mean()),
                    "few": enrolled((reference.unit(embedded), Y_TRAIN[chosen]), w, known, split, x, seed),
                }
                found.append(row | at_the_door(x, w, known))
            rows.append({"head": "arcface", "strangers": split, "dim": dim, "runs": found})
            print(split, dim, found[0], flush=True)
    return rows


def tuned(dim=32, count=100, epochs=20):
    """After `extend` all weights train on some images of each digit: new directions imprinted, or drawn."""
    rows = []
    for split in SPLITS[:3]:
        known = [d for d in range(10) if d not in split]
        digits, is_new = np.array([*known, *split]), np.isin(Y_TEST, split)
        trainer, found = made(dim, digits=known), []
        few = np.concatenate([np.flatnonzero(d == Y_TRAIN)[:count] for d in digits])
        x, y = X_TRAIN[few], np.repeat(np.arange(10), count)
        for seed in SEEDS:
            trainer.retrain(seed=seed)
            keras.utils.set_random_seed(seed)
            row = {}
            for name in ("imprinted", "drawn"):
                model = MarginClassifier(trainer.encoder, trainer.head)
                model(x[:1])  # builds it
                given = (x, y) if name == "imprinted" else (None, None)
                model = model.extend(10, *given, verbose=0)
                model.compile(keras.optimizers.Adam(1e-3))
                for when in ("before", "after"):
                    if when == "after":
                        model.fit(x, y, batch_size=120, epochs=epochs, verbose=0)
                    right = digits[model.predict(X_TEST, batch_size=1000, verbose=0).argmax(axis=1)] == Y_TEST
                    row[f"{name}, {when}"] = {"new": float(right[is_new].mean())}
                    row[f"{name}, {when}"]["old"] = float(right[~is_new].mean())
            found.append(row)
        rows.append({"head": "arcface", "strangers": split, "dim": dim, "images": count, "runs": found})
        print(split, found[0], flush=True)
    return rows


# Signs that are no digits, in the page itself.

SAID = {
    "threshold": r"cosine of ([\d.]+)",
    "own": r"Of your five drawings (\d|none)",
    "away": r"sixth lies ([\d.]+)°",
    "taken": r"test digits ([\d,]+) would",
}


def signs():
    """The gallery's ready-made signs: each enrolled by five drawings in a page, and a sixth compared."""
    from browser import find
    from playwright.sync_api import sync_playwright
    from test_gallery import keep_five, write_site

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser, rows = playwright.chromium.launch(executable_path=find()), []
        path = write_site(Path(folder))
        for seed in SEEDS:
            page = browser.new_page()
            page.set_default_timeout(180_000)
            page.goto(f"{path.as_uri()}#explorer?head=arcface&margin=0.3&scale=30&seed={seed}")
            page.wait_for_selector("#explorer[data-state=done]")
            said = page.locator(".marginlab-said-of-signs")
            choice = page.get_by_label("A sign that is drawn for you")
            for name in choice.locator("option").all_inner_texts()[1:]:
                page.get_by_role("button", name="start over").click()
                keep_five(page, name)
                page.get_by_role("button", name="draw it for me").press("Enter")
                said.get_by_text("Your sixth").wait_for()
                text = said.inner_text().replace(",", "")
                row = {"head": "arcface", "seed": seed, "sign": name, "accepted": "is accepted as" in text}
                said_of = {k: re.search(pattern, text)[1].replace("none", "0") for k, pattern in SAID.items()}
                rows.append(row | {k: float(v) for k, v in said_of.items()})
            page.close()
        browser.close()
    return rows


PARTS = {
    "pairs": pairs,
    "probabilities": probabilities,
    "groups": groups,
    "enrol": enrol,
    "tuned": tuned,
    "signs": signs,
}


if __name__ == "__main__":
    parts.write("strangers", PARTS, SEEDS)
