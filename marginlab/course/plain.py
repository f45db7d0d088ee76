"""Plain data between two interpreters of which one is not to be trusted: no pickle, and nothing that can
act.

`dumps` writes None, booleans, numbers, strings, lists, tuples, sets, dicts and NumPy arrays of plain types;
`loads` gives back just these, exactly these types: a float that claims to equal everything arrives as the
float that it holds. What is none of them arrives as an `Opaque`, which has the name of its type, and does
nothing.

A message is a header in JSON and the bytes of the arrays, one after another. This file imports nothing of
the package: it is read on both sides of the wall.
"""

import json
import struct
from typing import Any

import numpy as np

__all__ = ["LARGEST", "Opaque", "dumps", "frame", "loads", "read_frame"]

LARGEST = 2**26  # bytes of a message
_DEEPEST = 30
_DTYPES = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
_DTYPES += ("float16", "float32", "float64", "complex64", "complex128", "bfloat16")
_TENSORS = ("tensorflow", "keras", "torch", "jax", "jaxlib")
_HEAD = struct.Struct(">I")


class Opaque:
    """What could not be sent: it has a type's name, and no behaviour."""

    def __array__(self, *_args, **_more):
        raise TypeError(f"{type(self).__name__} holds no numbers")


class _OpaqueFunction(Opaque):
    def __call__(self, *_args, **_more):
        raise TypeError(f"{type(self).__name__} cannot be called from here")


def dumps(value: object) -> bytes:
    """The bytes of a value.

    Raises:
        ValueError: for data that is nested too deeply, or larger than `LARGEST`.
    """
    buffers = []
    header = json.dumps(_write(value, buffers, 0), separators=(",", ":")).encode()
    data = b"".join([_HEAD.pack(len(header)), header, *buffers])
    if len(data) > LARGEST:
        raise ValueError(f"{len(data)} bytes are more than {LARGEST}")
    return data


def _write(value, buffers, depth):
    if depth > _DEEPEST:
        raise ValueError("nested too deeply")
    if value is None or value is True or value is False:
        return value
    if value is Ellipsis:
        return ["..."]
    its = type(value)  # and not isinstance: an object may claim another class
    for kind, tag in ((str, "s"), (int, "i"), (float, "f"), (complex, "c")):
        # The type's own methods: a subclass may have others of the same names.
        if issubclass(its, kind) and not issubclass(its, np.generic):
            if kind is complex:
                return [tag, value.real.hex(), value.imag.hex()]
            text = {"s": str.__str__, "i": int.__repr__, "f": float.hex}[tag](value)
            return [tag, text]
    for kind, tag in ((list, "l"), (tuple, "t"), (set, "S"), (frozenset, "S"), (range, "l")):
        if issubclass(its, kind):
            return [tag, [_write(each, buffers, depth + 1) for each in value]]
    if issubclass(its, dict):
        pairs = dict.items(value)
        return ["d", [[_write(k, buffers, depth + 1), _write(v, buffers, depth + 1)] for k, v in pairs]]
    return _write_array(value, buffers)


def _write_array(value, buffers):
    home = str(type(value).__module__).split(".")[0]
    array = value
    if home in _TENSORS:
        try:
            array = np.asarray(value.detach().cpu() if home == "torch" else value)
        except Exception:  # a symbolic tensor
            array = None
    its = type(array)
    if not issubclass(its, np.ndarray | np.generic) or array.dtype.name not in _DTYPES:
        kind = array.dtype.kind if issubclass(its, np.ndarray) else ""
        return ["o", home, str(type(value).__name__), callable(value), kind]
    tag = "a" if issubclass(its, np.ndarray) else "n"
    data = np.ascontiguousarray(array).tobytes()
    buffers.append(data)
    return [tag, array.dtype.name, list(array.shape), len(data)]


def loads(data: bytes) -> Any:
    """The value of the bytes.

    Raises:
        ValueError: for anything that `dumps` does not write.
    """
    try:
        if len(data) > LARGEST:
            raise ValueError("too large")
        (size,) = _HEAD.unpack_from(data)
        end = _HEAD.size + size
        reader = _Reader(memoryview(data)[end:])
        value = reader.read(json.loads(bytes(data[_HEAD.size : end])))
    except (KeyError, IndexError, TypeError, RecursionError, struct.error, OverflowError) as error:
        raise ValueError(f"not plain data: {error}") from None
    return value


class _Reader:
    def __init__(self, buffers):
        self.buffers, self.at = buffers, 0

    def read(self, node):
        if node is None or node is True or node is False:
            return node
        tag, *rest = node
        simple = {"s": _text, "i": int, "f": float.fromhex}
        if tag in simple:
            return simple[tag](_text(rest[0]))
        if tag == "c":
            return complex(float.fromhex(rest[0]), float.fromhex(rest[1]))
        if tag == "...":
            return ...
        if tag in ("l", "t", "S"):
            return {"l": list, "t": tuple, "S": set}[tag](self.read(each) for each in rest[0])
        if tag == "d":
            return {self.read(key): self.read(value) for key, value in rest[0]}
        if tag in ("a", "n"):
            return self.array(tag, *rest)
        if tag == "o":
            return _opaque(*rest)
        raise ValueError(f"not plain data: {tag!r}")

    def array(self, tag, name, shape, size):
        if (
            name not in _DTYPES
            or not all(type(n) is int and 0 <= n < 2**31 for n in shape)
            or len(shape) > 32
        ):
            raise ValueError("not a plain array")
        if name == "bfloat16":
            from ml_dtypes import bfloat16 as name
        chunk = self.buffers[self.at : self.at + size]
        self.at += size
        array = np.frombuffer(chunk, np.dtype(name)).reshape(shape).copy()
        return array if tag == "a" else array.reshape(1)[0]


def _text(value):
    if type(value) is not str:
        raise TypeError("a string is wanted")
    return value


def _opaque(home, name, function, kind):
    """Something with the type's name and home, for those who say in words what they were given."""
    if kind in ("U", "S", "O"):
        return np.empty((), f"{kind}1" if kind != "O" else "O")
    name = name if _text(name).isidentifier() else "object"
    base = _OpaqueFunction if function is True else Opaque
    return type(name, (base,), {"__module__": home if home in _TENSORS else "submission"})()


# ------------------------------------------------------------------ frames on a pipe

_FRAME = struct.Struct(">IQ")


def frame(number: int, data: bytes) -> bytes:
    """A message with its number, and its length in front."""
    return _FRAME.pack(len(data), number) + data


def read_frame(stream) -> tuple[int, bytes] | None:
    """The next ``(number, data)`` of a binary stream; None at its end, or where it is no frame."""
    head = _exactly(stream, _FRAME.size)
    if head is None:
        return None
    size, number = _FRAME.unpack(head)
    data = _exactly(stream, size) if size <= LARGEST else None
    return None if data is None else (number, data)


def _exactly(stream, size):
    data = bytearray()
    while len(data) < size:
        more = stream.read(min(size - len(data), 2**20))
        if not more:
            return None
        data += more
    return bytes(data)
