"""The recipes of book/recipes.md: the page shows these functions, and here they run."""

import keras
import numpy as np
import pytest
from keras import ops

from marginlab import MarginClassifier, encoders, heads, load_mnist
from marginlab.callbacks import MarginSchedule, Verify

(X, Y), (X_TEST, Y_TEST) = ((x[:2000], y[:2000].astype("int32")) for x, y in load_mnist())


class Student(MarginClassifier):
    """Learns from the labels, with the margin, and from a teacher's logits."""

    def learn_from(self, teacher, share=0.5, temperature=4.0):
        teacher.trainable = False
        self.teacher, self.share, self.t = teacher, share, temperature

    def compute_loss(self, x, y, y_pred, sample_weight=None, training=True):
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        if not training:
            return loss
        asked = ops.softmax(self.teacher(x, training=False) / self.t)
        given = ops.log_softmax(y_pred["logits"] / self.t)
        soft = -ops.mean(ops.sum(asked * given, axis=-1)) * self.t**2
        return (1 - self.share) * loss + self.share * soft


def frozen_step(model, optimizer):
    """A step with its layers in inference mode, and the margin all the same."""
    import tensorflow as tf

    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            y_pred = model(x, training=False, embeddings=True)
            loss = model.compute_loss(x, y, y_pred)
        weights = model.trainable_weights
        optimizer.apply(tape.gradient(loss, weights), weights)
        return loss

    return step


def padded(model, x, y):
    """Rows that only fill up a batch: any label, and weight 0."""
    count = (y >= 0).astype("float32")
    return model.fit(x, y, sample_weight=count, verbose=0)


def with_strangers(model, x, y, strange_x, strange_y):
    """A margin that grows; an end when strangers are told apart no better."""
    grow = MarginSchedule(margin=(0.0, 0.3), epochs=2)
    verify = Verify(strange_x, strange_y, far=0.01)
    stop = keras.callbacks.EarlyStopping("val_tar", mode="max", patience=3)
    callbacks = [grow, verify, stop]
    return model.fit(x, y, epochs=10, callbacks=callbacks, verbose=0)


def made(cls=MarginClassifier, classes=10, **kwargs):
    keras.utils.set_random_seed(0)
    model = cls(encoders.fast(dim=8), heads.ArcFace(classes, margin=0.3, scale=16.0), **kwargs)
    model.compile(optimizer=keras.optimizers.Adam(0.003))
    return model


pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="one of them is a TensorFlow loop"
)


def test_distillation_comes_nearer_to_its_teacher():
    """On test images a student agrees with its teacher's soft answers more than one that has none."""
    teacher = made()
    teacher.fit(X, Y, epochs=5, verbose=0)
    asked = ops.softmax(teacher.predict(X_TEST, verbose=0) / 4)
    before = teacher.get_weights()
    distance = {}
    for share in (0.0, 0.9):
        student = made(Student)
        student.learn_from(teacher, share=share)
        student.fit(X, Y, epochs=3, verbose=0)
        given = ops.log_softmax(student.predict(X_TEST, verbose=0) / 4)
        distance[share] = -float(ops.mean(ops.sum(asked * given, axis=-1)))
    assert distance[0.9] < distance[0.0]
    for a, b in zip(before, teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_frozen_step_has_the_margin_and_leaves_the_statistics():
    norm = keras.layers.BatchNormalization()
    keras.utils.set_random_seed(0)
    encoder = keras.Sequential([*encoders.fast(dim=8).layers, norm])
    model = MarginClassifier(encoder, heads.ArcFace(10, margin=0.3, scale=16.0))
    model.compile()
    model(X[:1])
    optimizer = keras.optimizers.Adam(0.003)
    optimizer.build(model.trainable_variables)
    step, before = frozen_step(model, optimizer), norm.moving_mean.numpy()
    embeddings = model.embed(X[:200])
    logits = model.head(embeddings, Y[:200])
    first = np.mean(keras.losses.sparse_categorical_crossentropy(Y[:200], logits, from_logits=True))
    losses = [float(step(X[:200], Y[:200])) for _ in range(20)]
    assert losses[0] == pytest.approx(first, rel=1e-4)
    assert losses[-1] < losses[0]
    np.testing.assert_array_equal(norm.moving_mean.numpy(), before)


def test_padding_trains_on_the_rest():
    labels = np.where(np.arange(len(Y)) % 3 == 0, -1, Y)
    assert np.isfinite(padded(made(), X, labels).history["loss"][0])


def test_strangers_stop_it():
    known, strange = Y < 7, Y_TEST >= 7
    model = made(classes=7)
    history = with_strangers(model, X[known], Y[known], X_TEST[strange], Y_TEST[strange]).history
    assert 0 < max(history["val_tar"]) <= 1
    assert len(history["val_tar"]) <= 10
    assert model.head.margin == 0.3
