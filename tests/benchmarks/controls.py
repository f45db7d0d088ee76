"""The controls behind the book's sentences: what would refute each of them, with five seeds.

python tests/benchmarks/controls.py            # writes book/results/controls.json, in about ten minutes
python tests/benchmarks/controls.py guards     # only this part anew

Each part stands in the chapter that it is named with. Angles are in degrees.
"""

import functools

import keras
import numpy as np
import parts
from fair import shape
from keras import layers, ops

from marginlab import Trainer, encoders, geometry, heads, load_mnist, reference

SEEDS = range(5)
(X_TRAIN, Y_TRAIN), (_, Y_TEST) = load_mnist()


def own_angles(embeddings, directions, labels):
    return np.degrees(reference.angle(embeddings, directions[labels]))


def trained_on(trainer):
    """The training images' embeddings after the last run, (60000, d)."""
    return np.concatenate([trainer._tail(part).numpy() for part in np.array_split(trainer._x, 12)])


def arc(result):
    return float(np.degrees(reference.arc(result.frames[-1].class_directions)))


# Chapter 0.


def relu_encoder():
    return keras.Sequential([*encoders.fast().layers[:-1], layers.Dense(2, activation="relu")])


def relu():
    """A ReLU on the embedding: the shares right, and the share of embeddings that are zero."""
    rows = []
    for head, scale in (("softmax", None), ("normface", 10.0), ("normface", 30.0), ("normface", 64.0)):
        for name, encoder in (("with", relu_encoder), ("without", encoders.fast)):
            settings = {} if scale is None else {"scale": scale}
            trainer = Trainer(head, encoder=encoder, frames=1, **settings)
            found = [trainer.retrain(seed=seed) for seed in SEEDS]
            zero = [float(np.mean(~r.test_embeddings.any(axis=1))) for r in found]
            right = [r.test_accuracy for r in found]
            rows.append({"head": head, "scale": scale, "relu": name, "right": right, "zero": zero})
    return rows


# Chapter 2.


def gap(result, scale):
    """s(1 - cos δ), with δ the mean angle between neighbours on the arc in use."""
    directions = result.frames[-1].class_directions
    return float(scale * (1 - np.cos(reference.arc(directions) / (len(directions) - 1))))


def best_scale(embeddings, directions, labels):
    """The scale that would give the finished network its lowest mean loss."""
    cosine = reference.unit(embeddings) @ reference.unit(directions).T
    tried = np.geomspace(1, 1000, 121)
    return float(tried[np.argmin([reference.losses(s * cosine, labels).mean() for s in tried])])


def confidence(embeddings, directions, scale):
    """The mean probability of the class that is the answer."""
    slopes = reference.loss_slopes(
        scale * reference.unit(embeddings) @ reference.unit(directions).T, np.zeros(len(embeddings), int)
    )
    slopes[:, 0] += 1
    return float(slopes.max(axis=1).mean())


def temperature():
    """NormFace over the scale: arc, gap, the scale that would have been best, confidence and accuracy."""
    rows, trainer = [], Trainer("normface", frames=1)
    for scale in (1.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0):
        found = []
        for seed in SEEDS:
            result = trainer.retrain(scale=scale, seed=seed)
            directions = result.frames[-1].class_directions
            angles = own_angles(result.test_embeddings, directions, Y_TEST)
            # The two classes at the ends of the arc lean out of it, and would decide the width alone.
            turn = np.arctan2(directions[:, 1], directions[:, 0])
            order = np.argsort(turn)
            open_gap = np.argmax(np.diff(turn[order], append=turn[order][0] + 2 * np.pi))
            inner = ~np.isin(Y_TEST, [order[open_gap], order[(open_gap + 1) % 10]])
            found.append(
                {
                    "arc": arc(result),
                    "gap": gap(result, scale),
                    "best": best_scale(trained_on(trainer), directions, Y_TRAIN),
                    "confidence": confidence(result.test_embeddings, directions, scale),
                    "inner width": float(np.quantile(angles[inner], 0.9)),
                }
                | shape(result)
            )
        rows.append({"head": "normface", "scale": scale, "runs": found})
    return rows


def asked(scale=30.0):
    """The arc that a margin takes, at one scale."""
    rows = []
    for head, margins in (("cosface", (0.0, 0.05, 0.1, 0.15)), ("arcface", (0.0, 0.15, 0.3, 0.4, 0.5))):
        trainer = Trainer(head, frames=1, scale=scale)
        for margin in margins:
            arcs = [arc(trainer.retrain(margin=margin, seed=seed)) for seed in SEEDS]
            rows.append({"head": head, "margin": margin, "scale": scale, "arc": arcs})
    return rows


def noise(share=0.1):
    """Some of the training labels wrong: another digit, drawn evenly."""
    rng = np.random.default_rng(0)
    labels = Y_TRAIN.astype("int32")
    wrong = rng.random(len(labels)) < share
    labels[wrong] = (labels[wrong] + rng.integers(1, 10, wrong.sum())) % 10
    cases = [("softmax", {}), ("normface", {"scale": 10.0}), ("normface", {"scale": 30.0})]
    cases += [("cosface", {"margin": 0.1, "scale": 30.0}), ("arcface", {"margin": 0.3, "scale": 30.0})]
    cases += [("arcface", {"margin": 0.3, "scale": 10.0}), ("arcface", {"margin": 0.5, "scale": 64.0})]
    rows = []
    for head, settings in cases:
        for name, given in (("right", None), ("some wrong", labels)):
            trainer = Trainer(head, frames=1, labels=given, **settings)
            found = [trainer.retrain(seed=seed) for seed in SEEDS]
            right, arcs = [r.test_accuracy for r in found], [arc(r) for r in found]
            rows.append({"head": head, **settings, "labels": name, "right": right, "arc": arcs})
    return [{"share": share}, *rows]


# Chapter 5.


class Guarded(heads.ArcFace):
    """ArcFace whose angle comes from the cosine, as others have it, with a guard."""

    def own_angle(self, x, labels):
        w = ops.take(self.class_directions, labels, axis=0)
        return self.angle_of(ops.sum(geometry.unit(x) * geometry.unit(w), axis=-1))

    def angle_of(self, c):
        raise NotImplementedError


def clipped(epsilon):
    class Clipped(Guarded):
        def angle_of(self, c):
            return ops.arccos(ops.clip(c, -1 + epsilon, 1 - epsilon))

    return Clipped


class Root(Guarded):
    """sin θ = √(1 - c²), kept above 0."""

    def angle_of(self, c):
        return ops.arctan2(ops.sqrt(ops.maximum(1 - c * c, 1e-12)), c)


class Detached(heads.ArcFace):
    """The margin in the value alone, as under `torch.no_grad`: the gradient is the plain cosine's."""

    def psi(self, theta, x, labels):
        plain = ops.cos(theta)
        return plain + ops.stop_gradient(super().psi(theta, x, labels) - plain)


GUARDS = {
    "no margin": heads.NormFace,
    "rejection and atan2": heads.ArcFace,
    "clip at 1e-3": clipped(1e-3),
    "clip at 1e-5": clipped(1e-5),
    "clip at 1e-7": clipped(1e-7),
    "root, at least 1e-12": Root,
    "margin without gradient": Detached,
}


def guards(scale=30.0):
    """Each guard trained: accuracy, widths, and the share of training images closer than 0.0045 rad."""
    rows = []
    for margin in (0.3, 0.5):
        for name, head in GUARDS.items():
            own = {} if head is heads.NormFace else {"margin": margin}
            trainer = Trainer(head(10, scale=scale, **own), frames=10)
            found = []
            for seed in SEEDS:
                result = trainer.retrain(seed=seed)
                directions = result.frames[-1].class_directions
                angles = own_angles(result.test_embeddings, directions, Y_TEST)
                close = own_angles(trained_on(trainer), directions, Y_TRAIN) < np.degrees(4.5e-3)
                found.append(
                    {
                        "half": float(np.median(angles)),
                        "close": float(close.mean()),
                        "nan": bool(np.isnan(result.losses).any()),
                    }
                    | shape(result)
                )
            rows.append({"head": name, "margin": margin, "scale": scale, "runs": found})
            print(f"m = {margin}, {name}: {np.median([r['right'] for r in found]):.2%}", flush=True)
    return rows


class NaiveArcFace(heads.ArcFace):
    """Chapter 5's: through arccos, unguarded."""

    def own_angle(self, x, labels):
        x, w = ops.normalize(x, axis=-1), ops.normalize(self.class_directions, axis=-1)
        angles = ops.arccos(ops.matmul(x, ops.transpose(w)))
        return ops.sum(ops.one_hot(labels, self.num_classes) * angles, axis=-1)


def dies(scale=64.0, margin=0.5):
    """At which step the unguarded arccos dies, by dimension; and how close images come with ours."""
    rows = []
    for dim in (2, 3, 4, 9, 32, 128):
        died = []
        trainer = Trainer(
            NaiveArcFace(10, margin=margin, scale=scale),
            frames=50,
            encoder=lambda dim=dim: encoders.fast(dim=dim),
        )
        for seed in SEEDS:
            step = next((f.step for f in trainer.iter_frames(seed=seed) if np.isnan(f.loss)), None)
            died.append(step)
        ours = Trainer(
            "arcface", frames=1, scale=scale, margin=margin, encoder=lambda dim=dim: encoders.fast(dim=dim)
        )
        closest, below = [], []
        for seed in SEEDS:
            directions = ours.retrain(seed=seed).frames[-1].class_directions
            angles = np.radians(own_angles(trained_on(ours), directions, Y_TRAIN))
            closest.append(float(angles.min()))
            below.append(float(np.mean(angles < 2**-11.5)))
        rows.append({"head": "arcface", "dim": dim, "scale": scale, "margin": margin, "died": died})
        rows[-1] |= {"closest": closest, "below": below}
        print(f"d = {dim}: dies at {died}, closest {min(closest):.2g} rad", flush=True)
    return rows


# Chapter 7.


def room_used():
    """Ten digits in more and more dimensions: how directions and class means stand to each other."""
    rows = []
    off = ~np.eye(10, dtype=bool)
    for dim in (2, 3, 9, 32, 128, 512):
        for head, settings in (("normface", {"scale": 10.0}), ("arcface", {"margin": 0.3, "scale": 30.0})):
            trainer = Trainer(head, frames=1, encoder=functools.partial(encoders.fast, dim), **settings)
            found = []
            for seed in SEEDS:
                result = trainer.retrain(seed=seed)
                w = reference.unit(result.frames[-1].class_directions)
                x = reference.unit(result.test_embeddings)
                means = np.array([x[d == Y_TEST].mean(axis=0) for d in range(10)])
                centred = reference.unit(means - means.mean(axis=0))
                centred = (centred @ centred.T)[off]
                found.append(
                    {
                        "right": result.test_accuracy,
                        "cosine": float((w @ w.T)[off].mean()),
                        "nearest": float(np.degrees(np.median(reference.spacing(w)))),
                        "centred": float(centred.mean()),
                        "centred sd": float(centred.std()),
                    }
                )
            rows.append({"head": head, "dim": dim, **settings, "runs": found})
        print(f"d = {dim}: centred {rows[-1]['runs'][0]['centred sd']:.2f}", flush=True)
    return rows


PARTS = {
    "relu": relu,
    "temperature": temperature,
    "asked": asked,
    "noise": noise,
    "guards": guards,
    "dies": dies,
    "room used": room_used,
}


if __name__ == "__main__":
    parts.write("controls", PARTS, SEEDS)
