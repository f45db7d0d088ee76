# type: ignore (a record is a class of functions without a self: see `record_of`)
"""Hazards of the heads after ArcFace, met beyond 07_beyond_mnist: other margins, samples and statistics."""

import math

import keras
import numpy as np
import tensorflow as tf

from marginlab import geometry, heads, reference
from marginlab.hazards.helpers import (
    along,
    circle,
    gradient,
    jumping,
    not_falling,
    not_finite,
    off_by,
    pairs,
    slopes,
    true_logits,
    with_directions,
)
from marginlab.hazards.record import record_of

record = record_of("07_beyond_mnist")


def of_length(length, theta):
    """x of these lengths ``(n,)`` and w of length 1, theta ``(n,)`` apart."""
    x, w = pairs(theta)
    return x * tf.constant(np.broadcast_to(length, np.shape(theta))[:, None], "float32"), w


def good_images(head, theta):
    """An AdaFace for which every image of length 9 is good, ẑ = 1, and such images."""
    x, w = of_length(9.0, theta)
    with_directions(head, w)
    head.mean.assign(1.0)
    head.deviation.assign(0.1)
    return head, x, w


def own_psi(head, x, w):
    """ψ of each image, statistics left alone."""
    if not head.built:
        with_directions(head, w)
    return tf.linalg.diag_part(head(x, np.arange(len(w)), training=False))


@record
class deviation_of_one_image:
    symptom = "The loss is NaN from an epoch's last batch on, if that is one image, in AdaFace and its kind."
    why = (
        "The unbiased standard deviation of n lengths divides by n - 1. The last batch of an epoch may be "
        "one image: 0/0 is NaN, and a running average of NaN is NaN for ever."
    )
    cure = "`heads.AdaFace` lets its deviation wait for two images that count, and its mean for one."
    met = ("mk-minchul/AdaFace: head.py takes std() of each batch",)
    axis, quantity = "images in the batch", "running deviation of the length after it"
    see = "Of one image there is no deviation, so the running one should stay."
    points = (1, 2, 3, 64)

    def naive(images):
        lengths = [np.linspace(10, 20, n) for n in images]
        squares = [np.sum((a - a.mean()) ** 2) for a in lengths]
        return 0.99 * 100 + 0.01 * np.sqrt(np.divide(squares, images - 1))

    def cured(images):
        found = []
        for n in images:
            head = with_directions(heads.AdaFace(10), circle(10))
            head(along(np.linspace(10, 20, n)), np.zeros(n, int))
            found.append(head.deviation.numpy())
        return found

    def truth(images):
        lengths = [np.linspace(10, 20, n) for n in images]
        return [0.99 * 100 + 0.01 * np.std(a, ddof=1) if len(a) > 1 else 100 for a in lengths]

    wrong = not_finite


@record
class good_images_without_gradient:
    symptom = "The best images are not pulled by their own class any more, a good way from its direction."
    why = (
        "AdaFace turns its angular margin round for good images, θ - m·ẑ, and that is negative for θ below "
        "m·ẑ. Clipped to stay above 0 the true logit has no gradient there: up to 23° for m = 0.4, ẑ = 1."
    )
    cure = "`geometry.ucos` goes on for negative angles: `heads.AdaFace` has ψ = ucos(θ - m·ẑ) - m·(1 + ẑ)."
    met = ("mk-minchul/AdaFace: head.py clips theta + m_arc", "Kim et al. 2022, §3")
    axis, quantity = "angle θ to the true class (rad)", "size of the gradient of ψ, m = 0.4, ẑ = 1"
    see = "The naive gradient is 0 from θ = 0 up to the margin."
    points = (0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
    draw, curve = "gradient", np.geomspace(1e-3, 2.5, 101)

    def naive(theta):
        x, w = pairs(theta)

        def psi(x):
            return tf.cos(tf.clip_by_value(geometry.angle(x, w) - 0.4, 1e-3, math.pi - 1e-3)) - 0.8

        return slopes(psi, x)

    def cured(theta):
        head, x, w = good_images(heads.AdaFace(len(theta), margin=0.4, scale=1.0), theta)
        return 9 * slopes(lambda x: own_psi(head, x, w), x)  # as long as those of length 1 have

    def truth(theta):
        return np.abs(np.sin(theta - 0.4))

    wrong = off_by(0.05)


@record
class value_against_its_gradient:
    symptom = "For good images the loss falls while they move away, though the gradient says that they come."
    why = (
        "Without a clip, cos(θ - m) rises up to θ = m: the further image has the better logit. Where the "
        "margin is put in without gradient nothing shows it, for what flows is the slope of cos θ."
    )
    cure = "One falling function for value and gradient: `geometry.ucos(θ - m·ẑ)`, in `heads.AdaFace`."
    met = ("mk-minchul/CVLface: losses/adaface.py, under no_grad",)
    axis, quantity = "angle θ to the true class (rad)", "ψ(θ), m = 0.4, ẑ = 1"
    see = "The naive ψ has its top at θ = 0.4 and not at 0."
    points = (0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 1.0)
    draw, curve = "psi", np.linspace(0, np.pi, 181)

    def naive(theta):
        return tf.cos(theta - 0.4) - 0.8

    def cured(theta):
        return own_psi(*good_images(heads.AdaFace(len(theta), margin=0.4, scale=1.0), theta))

    def truth(theta):
        return reference.psi(theta, 1, -0.4, 0.8)

    wrong = not_falling


@record
class length_held_in_its_box:
    symptom = "MagFace trains as ArcFace does: neither its margin nor its pull moves a length."
    why = (
        "The length is held in [l, u] before margin and pull are taken of it. Outside neither has a "
        "gradient, and with l = 10 an embedding shorter than 10 is always outside."
    )
    cure = "`heads.MagFace` holds the margin alone; its pull goes on in a straight line below l."
    met = ("IrvingMeng/MagFace: models/magface.py clamps x_norm",)
    axis, quantity = "length of the embedding", "slope of the pull λ·g in the length"
    see = "Below 10 and above 110 the naive pull is 0; the true one lengthens the short."
    points = (0.5, 2.0, 9.0, 20.0, 60.0, 120.0)

    def naive(length):
        def g(x):
            a = tf.clip_by_value(tf.norm(x, axis=1), 10.0, 110.0)
            return 35 * (1 / a + a / 110**2)

        return tf.reduce_sum(gradient(g, along(length)) * [0.6, 0.8], axis=1)

    def cured(length):
        head = with_directions(heads.MagFace(10), circle(10))
        pull = gradient(lambda x: head.penalty(x) * len(length), along(length))
        return tf.reduce_sum(pull * [0.6, 0.8], axis=1)

    def truth(length):
        return 35 * (1 / 110**2 - 1 / np.maximum(length, 10) ** 2)

    wrong = off_by(0.05)


@record
class easy_margin_by_default:
    symptom = "MagFace's loss of half-trained images can jump: at 90° a small turn changes it by many units."
    why = (
        "`easy_margin=True` is the default, and what builds the model passes no other: cos(θ + m) is used "
        "where cos θ > 0, plain cos θ elsewhere. The jump at 90° is sin m, and m grows with the length."
    )
    cure = "One formula for all angles: `geometry.ucos(θ + m(‖x‖))`, in `heads.MagFace`."
    met = ("IrvingMeng/MagFace: MagLinear(easy_margin=True)",)
    axis, quantity = "angle θ to the true class (rad)", "ψ(θ) of an embedding of length 110, m = 0.8"
    see = "A step up at 90°, where untrained images lie."
    points = (1.0, 1.4, 1.57, 1.571, 1.6, 1.8, 2.2)
    draw, curve = "psi", np.linspace(0, np.pi, 361)

    def naive(theta):
        return tf.where(tf.cos(theta) > 0, tf.cos(theta + 0.8), tf.cos(theta))

    def cured(theta):
        return own_psi(heads.MagFace(len(theta), scale=1.0), *of_length(110.0, theta))

    def truth(theta):
        return reference.psi(theta, 1, 0.8)

    wrong = jumping


def hard(cosine, own, t):
    """What CurricularFace here has in place of these cosines ``(n,)`` of wrong classes."""
    head = with_directions(heads.CurricularFace(2), circle(2))
    head.t.assign(t)
    table = tf.constant(cosine, "float32")[None]
    return head.others(table, tf.constant([own], "float32"))[0]


@record
class hard_negatives_pulled_closer:
    symptom = "Early in training with CurricularFace wrong classes on the far side come nearer."
    why = (
        "A hard wrong class has c·(t + c) in place of its cosine c. With t = 0, as it begins, that is c²: it "
        "grows as c falls below 0, so descent raises c. Hard is what passes cos(θ + m), which is often below."
    )
    cure = "`heads.CurricularFace` continues the other classes' logits without falling: slope max(t + 2c, 0)."
    met = ("HuangYG123/CurricularFace: head/metrics.py", "Huang et al. 2020, §3")
    axis, quantity = "cosine c of a hard wrong class", "slope of its logit in c, t = 0.2, s = 1"
    see = "A negative slope means that the loss pulls the wrong class closer."
    points = (-0.8, -0.5, -0.2, 0.1, 0.5, 0.9)

    def naive(cosine):
        c = tf.constant(cosine)
        return gradient(lambda c: c * (0.2 + c), c)

    def cured(cosine):
        c = tf.constant(cosine, "float32")
        return gradient(lambda c: geometry.norm(hard(c, -1.5, 0.2)[:, None] + 9.0), c)

    def truth(cosine):
        return np.maximum(0.2 + 2 * cosine, 0)

    def wrong(points, values, truth):
        return ~(values >= -1e-6)


@record
class jump_where_a_class_becomes_hard:
    symptom = "CurricularFace's loss jumps from step to step, by many units at scale 64."
    why = (
        "At c = T, the true class's ψ, the formula changes from c to c·(t + c). The two differ by "
        "c·(t + c - 1), and no gradient knows of it."
    )
    cure = "`heads.CurricularFace` goes on from T: T + (c + t/2)² - (T + t/2)², with the same slope."
    met = ("Huang et al. 2020, §3", "derived here: c·(t + c) - c at c = T")
    axis, quantity = "cosine c of a wrong class", "what stands in its place, T = 0.3, t = 0.2"
    see = "At c = T = 0.3 the naive form falls by a half of it, and a harder class counts less."
    points = (0.1, 0.2, 0.29, 0.31, 0.4, 0.6, 0.9)

    def naive(cosine):
        return tf.where(cosine > 0.3, cosine * (0.2 + cosine), cosine)

    def cured(cosine):
        return hard(cosine, own=0.3, t=0.2) + 0 * geometry.norm(tf.ones(2))

    def truth(cosine):
        return np.where(cosine > 0.3, 0.3 + (cosine + 0.1) ** 2 - 0.4**2, cosine)

    def wrong(points, values, truth):
        steps = np.diff(values, prepend=values[:1])
        return ~((steps >= 0) & (steps <= 2.3 * np.diff(points, prepend=points[:1])))


@record
class order_taken_for_rank:
    symptom = "ElasticFace+ gives margins that have nothing to do with how hard an image is."
    why = (
        "The sorted draws are looked up with what argsort gave: image i gets the draw of the i-th image in "
        "order, where that of its own rank was meant. The two agree for permutations that undo themselves."
    )
    cure = "`heads.ElasticFace(plus=True)` looks up by the rank, which is argsort of argsort."
    met = ("fdbtrs/ElasticFace: margin[idicate_cosie] in utils/losses.py",)
    axis, quantity = "cosine to the true class", "rank of its margin, 0 the smallest"
    see = "The image of cosine 0.1 is the hardest and should have rank 3."
    points = (0.9, 0.1, 0.5, 0.3)

    def naive(cosine):
        return np.argsort(-cosine)

    def cured(cosine):
        head = heads.ElasticFace(10, plus=True, seed=0)
        draws = head.drawn(tf.constant(np.arccos(cosine), "float32"))
        return np.searchsorted(np.sort(draws), draws)

    def truth(cosine):
        return [np.sum(cosine > c) for c in cosine]

    wrong = off_by(1e-9)


@record
class scale_that_holds_the_median_at_one_half:
    symptom = "With AdaCos the loss stays near ln 2 however well the classes come apart."
    why = (
        "The rule s = ln(B)/cos θ_med makes s·cos θ_med equal to ln B, B being the sum of exp of the wrong "
        "logits: the image in the middle has probability one half, once it is within 45° and the scale "
        "has settled."
    )
    cure = "A scale that stays, such as `heads.NormFace(C, scale=…)`, with `budget` to choose it."
    met = ("Zhang et al. 2019, the dynamic scale", "derived here: s·cos θ_med = ln B")
    axis, quantity = "classes, evenly spread in the plane", "probability of images on their class direction"
    see = "Every image lies on its own class direction, and yet only one half is claimed."
    points = (4, 6, 10)

    def naive(classes):
        found = []
        for n in classes:
            head = with_directions(heads.AdaCos(n), circle(n))
            for _ in range(30):
                head(circle(n), np.arange(n))
            found.append(tf.nn.softmax(head(circle(n)))[0, 0])
        return found

    def cured(classes):
        found = []
        for n in classes:
            head = with_directions(heads.NormFace(n, scale=4.0 * n), circle(n))
            found.append(tf.nn.softmax(head(circle(n)))[0, 0])
        return found

    def wrong(points, values, truth):
        return ~(np.abs(values - 0.5) >= 0.05)


@record
class scale_of_two_classes:
    symptom = "AdaCos with two classes learns nothing: every logit is 0."
    why = (
        "It begins at √2·ln(C - 1), which is 0 for two classes. Then B is 1, ln B is 0, and the scale stays "
        "0 for ever."
    )
    cure = "`heads.AdaCos` refuses fewer than three classes; `heads.NormFace` has a scale for two."
    met = ("derived here: ln(2 - 1) = 0", "4uiiurz1/pytorch-adacos: metrics.py")
    axis, quantity = "classes", "scale to begin with"
    see = "Two classes have no scale, and so no gradient."
    points = (2, 3, 10)

    def naive(classes):
        return math.sqrt(2) * np.log(classes - 1)

    def cured(classes):
        return [heads.AdaCos(n).scale if n > 2 else heads.NormFace(n).scale for n in classes]

    def wrong(points, values, truth):
        return values <= 0


@record
class margins_of_balanced_classes:
    symptom = "Margins by class frequency: the loss is NaN on a balanced set, and fine on every other."
    why = (
        "Rarities are scaled to the range of margins by their least and greatest. Where all classes have "
        "as many images the two are equal, the division is 0/0, and every margin is NaN."
    )
    cure = "`heads.margins_by_count`: where none is rare, all get the smallest margin."
    met = ("haqishen/Google-Landmark-Recognition-2020-3rd-Place-Solution: train.py",)
    axis, quantity = "images of the other class, beside 100", "margin of the class of 100"
    see = "At 100 and 100 the naive margin is no number."
    points = (10, 99, 100, 101, 5000)

    def naive(counts):
        rarity = np.stack([0 * counts + 100.0, counts]) ** -0.25
        low, high = rarity.min(axis=0), rarity.max(axis=0)
        return 0.05 + 0.45 * (rarity[0] - low) / (high - low)

    def cured(counts):
        return [heads.margins_by_count([100, n])[0] for n in counts]

    wrong = not_finite


@record
class subcenters_that_begin_alike:
    symptom = "K directions a class are as good as one: after training they are the same, but for a last bit."
    why = (
        "Begun alike, by a constant or by copies of one centre, all K are equally near to every image. "
        "Where a maximum shares its gradient out among equals, as TensorFlow's does, they learn alike for "
        "ever. Where it gives it to the first, that one moves away, and the next to learn is whichever is "
        "nearer to an image then: it may be none."
    )
    cure = "`heads.ArcFace(C, subcenters=K)` begins them apart, as every random initializer does."
    met = ("derived here: the gradient of a maximum at a tie", "Deng et al. 2020, §3.2")
    axis, quantity = "steps of training", "largest angle between a class's directions (rad)"
    see = "Two images of a class, on two sides: each wants a direction of its own."
    points = (1, 10, 30)

    def naive(steps):
        return _apart("ones", steps)

    def cured(steps):
        return _apart(heads.ArcFace(2).initializer, steps)

    def wrong(points, values, truth):
        return values < 1e-3


def _apart(initializer, steps):
    """Angles between the two directions of class 0 after so many steps of two images on two sides."""
    keras.utils.set_random_seed(0)
    head = heads.ArcFace(2, subcenters=2, initializer=initializer)
    x, y = tf.constant([[1.0, 0.5], [-0.5, 1.0]]), np.array([0, 0])
    head.build((None, 2))
    found = []
    for _ in range(max(steps)):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(keras.losses.sparse_categorical_crossentropy(y, head(x, y), True))
        head.class_directions.assign_sub(0.1 * tape.gradient(loss, head.class_directions.value))
        found.append(geometry.angle(*head.class_directions.numpy()[0]))
    return [found[n - 1] for n in steps]


@record
class margins_left_out_in_silence:
    symptom = "A combined margin trains as CosFace does, whatever the first two of its numbers are."
    why = (
        "A layer with one branch a head, in which any m₃ above 0 leads to CosFace's, has CosFace's in that "
        "branch: m₁ and m₂ are read, kept, printed, and never used."
    )
    cure = "`heads.CombinedMargin` has one equation and no branches, with all three in it."
    met = ("deepinsight/insightface: CombinedMarginLoss",)
    axis, quantity = "angle θ to the true class (rad)", "ψ(θ), m₁ = 1.2, m₂ = 0.4, m₃ = 0.15"
    see = "The naive ψ is cos θ - 0.15 at every angle."
    points = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5)
    draw, curve = "psi", np.linspace(0, np.pi, 181)

    def naive(theta, m1=1.2, m2=0.4, m3=0.15):
        return tf.cos(theta) - m3 if m3 > 0 else tf.cos(m1 * theta + m2)

    def cured(theta):
        head = heads.CombinedMargin(len(theta), m1=1.2, m2=0.4, m3=0.15, scale=1.0)
        return true_logits(head, *pairs(theta))

    def truth(theta):
        return reference.psi(theta, 1.2, 0.4, 0.15)

    wrong = off_by(0.02)


@record
class smoothing_that_stops_the_angle:
    symptom = "With label smoothing the loss pushes images back that are far enough ahead."
    why = (
        "Smoothing wants probability 1 - ε + ε/C and no more, so the best gap between the true logit and the "
        "others is a number. In cosine units it is divided by s: at scale 64 it is reached early, and from "
        "there the loss pushes images away from their class."
    )
    cure = (
        "Leave it out, or know the cap: smoothing ends what is asked beyond the margin at "
        "ln(p(C - 1)/(1 - p))/s."
    )
    met = ("derived here: ln(p(C - 1)/(1 - p))/s",)
    axis, quantity = "gap of the cosines, 10 classes, s = 64", "slope of the loss in the true cosine"
    see = "Past the best gap the slope turns positive: the loss wants the image further away."
    points = (0.0, 0.02, 0.05, 0.08, 0.2, 0.5)

    def naive(gap):
        soft = tf.one_hot(np.zeros(len(gap), int), 10) * 0.9 + 0.01
        return _slope(lambda z: keras.losses.categorical_crossentropy(soft, z, from_logits=True), gap)

    def cured(gap):
        y = np.zeros(len(gap))
        return _slope(lambda z: keras.losses.sparse_categorical_crossentropy(y, z, from_logits=True), gap)

    def wrong(points, values, truth):
        return values > 1e-3


def _slope(loss, gap):
    """Of a loss of logits, in the true class's cosine, where the nine others are so far behind."""
    return gradient(lambda c: loss(64 * tf.pad(c[:, None], [[0, 0], [0, 9]])), tf.constant(gap, "float32"))


@record
class decay_as_a_hidden_rate:
    symptom = "Classes that come seldom jump about when one of their images comes at last."
    why = (
        "Weight decay shrinks a direction in every step, also where it has no gradient. Only its direction "
        "counts, and a step of one size turns a shorter vector by more: decay is a learning rate in disguise."
    )
    cure = 'Leave it out: `optimizer.exclude_from_weight_decay(var_names=["class_directions"])`.'
    met = ("derived here: the turn is η‖g‖/‖w‖",)
    axis, quantity = "steps without an image of the class", "turn of its direction in the next step (°)"
    see = "The same gradient turns a direction that waited by more and more."
    points = (0, 10, 100, 1000)

    def naive(steps):
        return [_turn_after(n, keras.optimizers.AdamW(0.01, weight_decay=0.2)) for n in steps]

    def cured(steps):  # heads.CosineHead calls its table so
        optimizer = keras.optimizers.AdamW(0.01, weight_decay=0.2)
        optimizer.exclude_from_weight_decay(var_names=["class_directions"])
        return [_turn_after(n, optimizer) for n in steps]

    def truth(steps):
        return np.full(len(steps), np.degrees(np.arctan(0.01)))

    wrong = off_by(0.05)


def _turn_after(steps, optimizer):
    """Turn of a direction of length 1 by a step of 0.01 across it, after so many steps of decay alone."""
    head = with_directions(heads.NormFace(2), circle(2))
    w, decays = head.class_directions, optimizer._use_weight_decay(head.class_directions)
    shrunk = (1 - 0.01 * 0.2) ** steps if decays else 1.0
    before = np.float32(w.numpy()[0] * shrunk)
    return np.degrees(geometry.angle(before, before + np.float32([0, 0.01])))


@record
class margin_in_a_weights_file:
    symptom = "After loading weights for fine-tuning the new margin is gone, and nobody said so."
    why = (
        "Kept as a weight that does not train, a margin travels with weights files and `set_weights`, and "
        "with EarlyStopping, which gives back the best: each puts an older margin in place of the new one."
    )
    cure = "In `heads` margin and scale are settings and no weights: what loads weights leaves them alone."
    met = ("derived here: set_weights of a layer with add_weight for its margin",)
    axis, quantity = "margin of the file", "margin in use, set to 0.5"
    see = "The naive layer trains with whatever the file had."
    points = (0.0, 0.3, 0.5, 1.0)

    def naive(margins):
        layer = keras.layers.Layer()
        margin = layer.add_weight(shape=(), initializer=keras.initializers.Constant(0.5), trainable=False)
        found = []
        for m in margins:
            layer.set_weights([m])
            found.append(margin.numpy())
        return found

    def cured(margins):
        found = []
        for m in margins:
            new, old = (with_directions(heads.ArcFace(10, margin=v), circle(10)) for v in (0.5, m))
            new.set_weights(old.get_weights())
            found.append(new.margin)
        return found

    def truth(margins):
        return np.full(len(margins), 0.5)

    wrong = off_by(1e-6)


@record
class nan_times_weight_zero:
    symptom = "Padded rows have weight 0, and the loss is NaN all the same."
    why = (
        "A padded row has label -1, and its loss is NaN, as it should be. NaN times 0 is NaN, and the mean "
        "of a batch with one NaN is NaN."
    )
    cure = "Ask before the loss: `MarginClassifier` lets a row of weight 0 have any label."
    met = ("derived here: NaN·0 = NaN",)
    axis, quantity = "rows of padding in a batch of 8", "loss of the batch (nats)"
    see = "One padded row is enough."
    points = (0, 1, 4)

    def naive(padding):
        losses = np.full((len(padding), 8), 2.0)
        weights = np.arange(8) >= np.array(padding)[:, None]
        losses[~weights] = np.nan
        return np.sum(losses * weights, axis=1) / 8

    def cured(padding):
        head, found = with_directions(heads.NormFace(10, scale=1.0), circle(10)), []
        for n in padding:
            weights = np.arange(8) >= n
            labels = tf.constant(np.where(weights, 0, -1))
            labels, valid = head.checked(labels, spared=tf.constant(~weights))
            losses = keras.losses.sparse_categorical_crossentropy(labels, head(tf.ones((8, 2))), True)
            found.append(tf.reduce_mean(tf.where(valid, losses, math.nan) * weights))
        return found

    wrong = not_finite
