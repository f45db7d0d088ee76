"""What one device holds and sends in a step, read from the program that XLA compiles for it.

python tests/benchmarks/communication.py data|model DEVICES CLASSES DIM BATCH [blockwise]

Nothing is run, so nothing depends on how busy the machine is. Prints JSON: bytes of each
kind of collective operation (of its result on one device), and bytes held.
"""

import json
import os
import re
import sys

mode, devices, classes, dim, batch = sys.argv[1], *map(int, sys.argv[2:6])
blockwise_loss = sys.argv[6:] == ["blockwise"]
os.environ |= {
    "KERAS_BACKEND": "jax",
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
}

import jax
import jax.numpy as jnp
import keras
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from keras import ops

from marginlab import blockwise, heads

SIZES = {"f32": 4, "s32": 4, "u32": 4, "pred": 1, "s64": 8}
KINDS = "all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute"


def collectives(program):
    """Bytes of the results of the collective operations, by kind."""
    out = {}
    for shapes, kind in re.findall(rf"= (\(.*?\)|\S+) ({KINDS})(?:-start)?\(", program):
        for dtype, dims in re.findall(r"(\w+)\[([\d,]*)\]", shapes):
            count = int(np.prod([int(v) for v in dims.split(",") if v], dtype=np.int64))
            out[kind] = out.get(kind, 0) + SIZES[dtype] * count
    return out


def main():
    mesh = Mesh(np.array(jax.devices()), ("devices",))

    def laid(*axes):
        return NamedSharding(mesh, PartitionSpec(*axes))

    rows, examples = (laid("devices", None), laid()) if mode == "model" else (laid(), laid("devices"))
    head = heads.ArcFace(classes, initializer="zeros")
    head.build((batch, dim))

    def loss(w, x, y):
        with keras.StatelessScope(state_mapping=[(head.class_directions, w)]):
            if blockwise_loss:
                return ops.mean(blockwise.cross_entropy(head, x, y))
            return ops.mean(ops.sparse_categorical_crossentropy(y, head(x, y), from_logits=True))

    def step(w, x, y):
        dw, dx = jax.grad(loss, (0, 1))(w, x, y)
        return w - 0.1 * dw, dx

    program = jax.jit(
        step, in_shardings=(rows, examples, examples), out_shardings=(rows, examples), donate_argnums=0
    )
    shapes = [((classes, dim), jnp.float32), ((batch, dim), jnp.float32), ((batch,), jnp.int32)]
    compiled = program.lower(*[jax.ShapeDtypeStruct(*s) for s in shapes]).compile()
    memory = compiled.memory_analysis()
    held = {"arguments": memory.argument_size_in_bytes, "temporary": memory.temp_size_in_bytes}
    print(json.dumps({"collectives": collectives(compiled.as_text()), "held": held}))


if __name__ == "__main__":
    main()
