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


def another_rate_for_the_head(model, rate=1e-3, faster=1e-2):
    """One optimizer, and another for the class directions."""
    rates = {True: faster, False: rate}

    def optimizer(variable):
        return keras.optimizers.Adam(rates["class_directions" in variable.path])

    model.compile(optimizer=keras.optimizers.MultiOptimizer(optimizer))


def exported(model, folder):
    """What makes embeddings, for machines without Keras."""
    model.encoder.export(f"{folder}/embed.tflite", format="litert")
    model.encoder.export(f"{folder}/embed.onnx", format="onnx")


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


def from_folders(folder, size=32):
    """Images in one folder a person, as a data set, and how many people there are."""
    data = keras.utils.image_dataset_from_directory(
        folder, label_mode="int", image_size=(size, size), batch_size=16, seed=0
    )
    return data, len(data.class_names)


def on_a_backbone(backbone, classes, dim=64, **head):
    """A network of keras.applications without its top, and a linear embedding: no ReLU comes after it."""
    layers = [backbone, keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(dim)]
    return MarginClassifier(keras.Sequential(layers), heads.ArcFace(classes, **head))


def frozen_first(model, data, optimizer, epochs=(1, 1)):
    """The new layers alone, and then all; compiled anew, for what trains is a part of the program."""
    backbone = model.encoder.layers[0]
    for epoch, free in zip(epochs, (False, True), strict=True):
        backbone.trainable = free
        model.compile(optimizer())
        model.fit(data, epochs=epoch, verbose=0)
    return model


class Mixup(MarginClassifier):
    """Each image mixed with another: λ·CE(one label) + (1 - λ)·CE(other), a margin at one label at a time."""

    def compute_loss(self, x, y, y_pred, sample_weight=None, training=True):
        if not training:
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        one, other, share = y[:, 0], y[:, 1], ops.cast(y[:, 2], "float32") / 1000
        first = super().compute_loss(x, one, y_pred, share, training)
        return first + super().compute_loss(x, other, y_pred, 1 - share, training)


def mixed(x, y, seed=0):
    """Images (N, ...), and (N, 3) whole numbers: two labels, and how many thousandths are of the first."""
    rng = np.random.default_rng(seed)
    other = rng.permutation(len(x))
    share = np.round(rng.beta(0.4, 0.4, len(x)), 3)
    by_image = share.reshape(-1, *[1] * (x.ndim - 1))
    labels = np.stack([y, y[other], np.round(1000 * share)], axis=-1).astype("int32")
    return (by_image * x + (1 - by_image) * x[other]).astype("float32"), labels


pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="one of them is a TensorFlow loop"
)


@pytest.mark.full
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


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Twelve images of each of three digits, as somebody has them on a disk."""
    folder = tmp_path_factory.mktemp("people")
    for digit in range(3):
        (folder / f"person{digit}").mkdir()
        for i, image in enumerate(X[digit == Y][:12]):
            keras.utils.save_img(folder / f"person{digit}" / f"{i}.png", image[..., None], scale=False)
    return folder


@pytest.mark.full  # compiles a whole network, twice
def test_a_backbone_on_own_images_frozen_first_in_half_precision(folders):
    """A network of keras.applications with random weights; nothing is downloaded."""
    keras.utils.set_random_seed(0)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        data, classes = from_folders(folders)
        backbone = keras.applications.MobileNet(
            input_shape=(32, 32, 3), alpha=0.25, include_top=False, weights=None
        )
        model = on_a_backbone(backbone, classes, scale=16.0)
        start = [w.copy() for w in backbone.get_weights()]
        directions = model_directions(model)
        seen = []

        def optimizer():
            seen.append([np.array_equal(a, b) for a, b in zip(start, backbone.get_weights(), strict=True)])
            return keras.optimizers.Adam(1e-3)

        frozen_first(model, data, optimizer)
    finally:
        keras.config.set_dtype_policy(before)
    assert all(seen[1])  # as it was when the first part ended
    assert not any(
        np.array_equal(a, b.value)
        for a, b in zip(start, backbone.weights, strict=True)
        if b.trainable and "kernel" in b.path
    )
    assert keras.backend.standardize_dtype(model.head.class_directions.dtype) == "float32"
    assert not np.array_equal(model_directions(model), directions)
    assert np.isfinite(model.embed(data)).all()


def model_directions(model):
    model(np.zeros((1, 32, 32, 3), "float32"))
    return ops.convert_to_numpy(model.head.class_directions)


@pytest.mark.full
def test_averaged_weights_are_taken_at_the_end():
    """EMA is an argument of the optimizer: what the model holds after `fit` is the average."""
    model, plain = made(), made()
    model.compile(keras.optimizers.Adam(0.003, use_ema=True, ema_momentum=0.9))
    for m in (model, plain):
        m.fit(X[:320], Y[:320], epochs=1, verbose=0, shuffle=False)
    own, last = (ops.convert_to_numpy(m.head.class_directions) for m in (model, plain))
    apart = np.abs(own - last).max()
    assert apart > 0
    assert apart < 0.1


@pytest.mark.full
def test_mixup_is_two_losses_with_a_margin_each():
    model = made(Mixup)
    model.compile(keras.optimizers.Adam(0.003), metrics=[])
    x, y = mixed(X, Y)
    losses = model.fit(x, y, epochs=3, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    y_pred = model(x[:20], training=True)
    found = float(model.compute_loss(x[:20], ops.convert_to_tensor(y[:20]), y_pred))
    logits = [model.head(y_pred["embeddings"], y[:20, i]) for i in (0, 1)]
    each = [keras.losses.sparse_categorical_crossentropy(y[:20, i], z, True) for i, z in enumerate(logits)]
    share = y[:20, 2] / 1000
    assert found == pytest.approx(np.mean(share * each[0] + (1 - share) * each[1]), rel=1e-4)
    plain = made()
    plain(X[:1])
    plain.set_weights(model.get_weights())
    assert plain.evaluate(X_TEST, Y_TEST, verbose=0)[1] > 0.6


def test_the_head_has_a_rate_of_its_own():
    slow, fast = made(), made()
    for model, faster in ((slow, 1e-9), (fast, 1e-2)):
        another_rate_for_the_head(model, rate=1e-9, faster=faster)
        model(X[:1])
        before = [ops.convert_to_numpy(v) for v in model.trainable_variables]
        model.fit(X[:320], Y[:320], epochs=1, verbose=0, shuffle=False)
        after = [ops.convert_to_numpy(v) for v in model.trainable_variables]
        moved = {
            v.path: np.abs(a - b).max()
            for v, a, b in zip(model.trainable_variables, after, before, strict=True)
        }
        (own,) = (path for path in moved if "class_directions" in path)
        assert (moved.pop(own) > 1e-3) == (faster == 1e-2)
        assert max(moved.values()) < 1e-5


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated", "ignore:In the future `np.object`")
def test_exported_embeddings_are_the_models(tmp_path):
    import onnxruntime
    import tensorflow as tf

    model = made()
    model.compile(optimizer=keras.optimizers.Adam(0.003))
    model.fit(X[:320], Y[:320], epochs=1, verbose=0)
    exported(model, tmp_path)
    x = X_TEST[:50].astype("float32")
    light = tf.lite.Interpreter(str(tmp_path / "embed.tflite"))
    (given,), (made_of_it,) = light.get_input_details(), light.get_output_details()
    light.resize_tensor_input(given["index"], x.shape)
    light.allocate_tensors()
    light.set_tensor(given["index"], x)
    light.invoke()
    session = onnxruntime.InferenceSession(tmp_path / "embed.onnx")
    (other,) = session.run(None, {session.get_inputs()[0].name: x})
    embeddings = model.embed(x)
    assert np.abs(embeddings).max() > 0.1
    for found in (light.get_tensor(made_of_it["index"]), other):
        assert np.abs(found - embeddings).max() < 1e-4
