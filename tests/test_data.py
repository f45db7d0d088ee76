import hashlib
import shutil
import struct

import numpy as np
import pytest

from marginlab import data, load_mnist

# The MD5 sums published with the IDX files.
PUBLISHED = {
    "x_train": "6bbc9ace898e44ae57da46a324031adb",
    "y_train": "a25bea736e30d166cdddb491f175f624",
    "x_test": "2646ac647ad5339dbf082846283269ea",
    "y_test": "27ae3e4e09519cfbb04c329615203637",
}


def idx(array):
    """The array as the bytes of an IDX file: magic number, sizes, values."""
    return struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape) + array.tobytes()


def test_it_is_the_published_mnist():
    (x_train, y_train), (x_test, y_test) = load_mnist()
    arrays = {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}
    assert {name: hashlib.md5(idx(a)).hexdigest() for name, a in arrays.items()} == PUBLISHED
    assert x_train.dtype == y_train.dtype == np.uint8


def test_changing_what_was_loaded_changes_nothing_for_others():
    load_mnist()[0][0][:] = 0
    assert load_mnist()[0][0].any()


def test_damaged_or_missing_file_says_so(tmp_path):
    copy = tmp_path / "mnist.npz"
    with pytest.raises(FileNotFoundError, match="MNIST is missing"):
        data._read(copy)
    shutil.copy(data.MNIST, copy)
    with copy.open("r+b") as f:
        f.seek(5_000_000)
        f.write(b"\0\0\0\0")
    with pytest.raises(ValueError, match=r"MNIST is damaged: .*SHA-256"):
        data._read(copy)


def test_licence_lies_beside_the_data():
    assert "CC BY-SA 3.0" in data.MNIST.with_name("LICENSE.md").read_text(encoding="utf-8")
