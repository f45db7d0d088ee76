"""One contender, in a process of its own: what tests/benchmarks/run.py starts, asks for a step, and reads.

python tests/benchmarks/contender.py NAME classes dim batch   # then a line "step" a step, on standard input
python tests/benchmarks/contender.py errors NAME NAME   # gradients: pairs as JSON on standard input
python tests/benchmarks/contender.py gemm   # of one core

A step is the head's forward pass, cross-entropy and backward pass, to the gradients of
embeddings and class directions. Each contender runs at its best settings: as many threads
as cores, float32, and compiled where its name says so.
"""

import ctypes
import json
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
MARGIN, SCALE = 0.5, 64.0
OURS = ("normface", "arcface", "cosface", "sphereface", "softmax")


def memory(field):
    """VmRSS, what is resident now, or VmHWM, the most that ever was, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) / 1024


def by_tensorflow(name, classes, dim, batch):
    """A function that takes one step and waits for it."""
    import tensorflow as tf

    from marginlab import blockwise, heads, reproduce

    tf.random.set_seed(0)
    x, y = tf.random.normal((batch, dim)), tf.random.uniform((batch,), 0, classes, tf.int32)
    plain = tf.nn.sparse_softmax_cross_entropy_with_logits
    if name == "demo":
        reproduce.CLASSES = classes  # its layer, as it is, with more classes
        head = reproduce.DemoArcFace()
        head.build((batch, dim))
        directions = head.w.value

        def losses(x, y):
            p = tf.clip_by_value(head(x, y), 1e-9, 1)
            return tf.reduce_sum(-tf.one_hot(y, classes) * tf.math.log(p), 1)
    else:
        kind = name if name in OURS else "arcface"
        settings = {} if kind == "softmax" else {"scale": SCALE}
        # Ones, for a generator of random numbers leaves memory behind, and a step would find it there.
        head = heads.BY_NAME[kind](classes, initializer="ones", **settings)
        head.build((batch, dim))
        directions = head.class_directions.value

        def losses(x, y):
            return blockwise.cross_entropy(head, x, y) if name == "blockwise" else plain(y, head(x, y))

    # The demo runs as its own `fit` does: a graph, without XLA, unless that is asked for.
    @tf.function(jit_compile=name != "demo", autograph=False)
    def step(x, y):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_mean(losses(x, y))
        return tape.gradient(loss, [x, directions])

    def run():
        step(x, y)[0].numpy()

    return run


def torch_losses(name, classes, dim):
    """A function (x, y) -> loss, and its weights."""
    import torch
    from pytorch_metric_learning.losses import ArcFaceLoss
    from torch.nn.functional import cross_entropy, linear, normalize

    if name.startswith("pml"):
        loss = ArcFaceLoss(classes, dim, margin=MARGIN * 180 / 3.141592653589793, scale=SCALE)
        return loss, loss.W

    # insightface's ArcFace, from its formula until December 2022: clamp, cos θ cos m - √(1 - cos²θ) sin m,
    # and past θ = π - m the straight line.
    weight = torch.nn.Parameter(0.01 * torch.randn(classes, dim))
    m = torch.tensor(MARGIN)

    def loss(x, y):
        cosine = linear(normalize(x), normalize(weight)).clamp(-1, 1)
        index = y[:, None]
        c = cosine.gather(1, index)
        with_margin = c * torch.cos(m) - torch.sqrt(1 - c * c) * torch.sin(m)
        past = c - m * torch.sin(m)
        c = torch.where(c > -torch.cos(m), with_margin, past)
        return cross_entropy(SCALE * cosine.scatter(1, index, c), y)

    return loss, weight


def by_torch(name, classes, dim, batch):
    import torch

    torch.set_num_threads(os.cpu_count())
    torch.manual_seed(0)
    x, y = torch.randn(batch, dim, requires_grad=True), torch.randint(0, classes, (batch,))
    loss, weight = torch_losses(name, classes, dim)
    if name.endswith("-compiled"):
        loss = torch.compile(loss)

    def run():
        loss(x, y).backward()
        x.grad = weight.grad = None

    return run


def gradients(names):
    """∂logit/∂x at the true class, for pairs (x, w), as JSON: of each name, the gradients."""
    pairs = json.load(sys.stdin)
    out = {}
    for name in names:
        one = by_tensorflow_gradient if name in (*OURS, "demo") else by_torch_gradient
        out[name] = [one(name, x, w) for x, w in pairs]
    print(json.dumps(out))


def by_tensorflow_gradient(name, x, w):
    import numpy as np
    import tensorflow as tf

    from marginlab import heads, reproduce

    x, w = (tf.constant(np.array([v], "float32")) for v in (x, w))
    w = tf.concat([w, -w], 0)
    if name == "demo":
        reproduce.CLASSES = 2
        head = reproduce.DemoArcFace()
        head.build(x.shape)
        head.w.assign(w)
        call = lambda x: head.logits(x, tf.constant([0]))  # noqa: E731
    else:
        head = heads.BY_NAME[name](2, margin=MARGIN, scale=1.0)
        head.build(x.shape)
        head.class_directions.assign(w)
        call = lambda x: head(x, tf.constant([0]))  # noqa: E731
    with tf.GradientTape() as tape:
        tape.watch(x)
        logit = call(x)[0, 0]
    return tape.gradient(logit, x).numpy()[0].tolist()


def by_torch_gradient(name, x, w):
    """The target logit at scale 1, by the library's own method or the published formula."""
    import torch

    x = torch.tensor([x], dtype=torch.float32, requires_grad=True)
    w = torch.tensor([w], dtype=torch.float32)
    if name == "pml":
        from pytorch_metric_learning.losses import ArcFaceLoss

        loss = ArcFaceLoss(2, x.shape[1], margin=MARGIN * 180 / 3.141592653589793, scale=1)
        cosine = torch.nn.functional.normalize(x) @ torch.nn.functional.normalize(w).T
        logit = loss.modify_cosine_of_target_classes(cosine[:, 0])[0]
    else:
        m = torch.tensor(MARGIN)
        cosine = torch.nn.functional.linear(*map(torch.nn.functional.normalize, (x, w))).clamp(-1, 1)
        c = cosine[0, 0]
        past = c - m * torch.sin(m)
        root = c * torch.cos(m) - torch.sqrt(1 - c * c) * torch.sin(m)
        # Since December 2022 the margin is put in under no_grad: the gradient is the plain cosine's.
        now = c + (torch.cos(torch.arccos(c) + m) - c).detach()
        logit = now if name == "detached" else torch.where(c > -torch.cos(m), root, past)
    logit.backward()
    return x.grad[0].tolist()


def blockwise_error(classes, dim, batch):
    """How far blockwise is from plain, relative to the largest: the most of losses and both gradients."""
    import numpy as np
    import tensorflow as tf

    from marginlab import blockwise, heads

    head = heads.ArcFace(classes, margin=MARGIN, scale=SCALE)
    head.build((batch, dim))
    x, y = tf.random.normal((batch, dim)), tf.random.uniform((batch,), 0, classes, tf.int32)
    found = []
    for losses in (
        lambda: tf.nn.sparse_softmax_cross_entropy_with_logits(y, head(x, y)),
        lambda: blockwise.cross_entropy(head, x, y),
    ):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = losses()
        found.append([loss, *tape.gradient(loss, [x, head.class_directions.value])])
    return max(float(np.max(np.abs(a - b)) / np.max(np.abs(a))) for a, b in zip(*found, strict=True))


def gemm_rate(n=2048):
    """Floating-point operations a second of this machine's matrix product: the best of ten."""
    import tensorflow as tf

    a = tf.random.normal((n, n))
    product = tf.function(lambda: tf.matmul(a, a))
    product()
    times = []
    for _ in range(10):
        start = time.perf_counter()
        product().numpy()
        times.append(time.perf_counter() - start)
    return 2 * n**3 / min(times)


def serve(name, classes, dim, batch):
    """Say {"resting_mib", "extra_mib"} after two steps; then {"wall", "cpu"} in seconds, a step a line."""
    make = by_torch if name.startswith(("pml", "insightface")) else by_tensorflow
    make(name, 10, dim, batch)()  # what a compiler needs for itself is no part of a step
    run = make(name, classes, dim, batch)
    ctypes.CDLL(None).malloc_trim(0)  # nor what was freed and not yet given back
    resting = memory("VmRSS")
    for _ in range(2):
        run()
    print(json.dumps({"resting_mib": resting, "extra_mib": memory("VmHWM") - resting}), flush=True)
    for _ in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        run()
        times = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        print(json.dumps(times), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "errors":
        gradients(sys.argv[2:])
    elif sys.argv[1] == "gemm":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(1)
        print(gemm_rate())
    else:
        serve(sys.argv[1], *map(int, sys.argv[2:]))
