import inspect

import numpy as np
import pytest

from marginlab import geometry, show


def test_code_is_the_source_as_it_stands():
    text = show.code(geometry.unit, geometry.sine).data
    assert text.startswith("```python\ndef unit(")
    assert text.endswith("\n```")
    for function in (geometry.unit, geometry.sine):
        assert inspect.getsource(function).rstrip() in text


def test_a_table_rounds_floats_and_keeps_all_else():
    text = show.table(
        {"head": ["softmax", "a|b"], "loss": [1.23456789, np.float32(1e-7)], "n": [10_000, "–"]}
    )
    assert text.data.splitlines() == [
        "| head | loss | n |",
        "| ---: | ---: | ---: |",
        "| softmax | 1.235 | 10000 |",
        r"| a\|b | 1e-07 | – |",
    ]


def test_a_table_says_what_it_is_of():
    assert show.table({"a": [1]}, of="Five seeds.").data.splitlines()[-2:] == ["", "*Five seeds.*"]


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="shorter"):
        show.table({"a": [1, 2], "b": [1]})
