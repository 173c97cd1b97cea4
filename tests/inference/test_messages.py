"""What processes send each other: values come back as they were, and nothing foreign is executed or believed."""

import math
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from autola_analysis.inference.messages import MessageError, decoded, encoded, signed, verified

SECRET = b"sixteen characters"
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.integers() | st.tuples(st.integers(), st.text()), inner)
    ),
    max_leaves=12,
)


class Evil:
    """Would end the test if it were unpickled."""

    def __reduce__(self) -> Any:
        return exec, ("raise SystemExit('unpickled')",)


@given(VALUES)
def test_plain_values_come_back_with_their_types(value: Any) -> None:
    found = decoded(encoded(value))
    assert found == value
    assert repr(found) == repr(value)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64, torch.bool, torch.uint8, torch.float64])
def test_tensors_come_back_bit_by_bit(dtype: torch.dtype) -> None:
    whole = torch.arange(24).reshape(4, 6).to(dtype)
    value = {"part": whole[:, ::2], "same": whole, "none": whole[:0], "one": whole[1, 1]}
    found = decoded(encoded(value))
    for name, tensor in value.items():
        assert found[name].dtype == dtype
        assert torch.equal(found[name], tensor)


def test_arrays_and_numbers_of_numpy_come_back() -> None:
    value = [np.arange(6, dtype=np.float32).reshape(2, 3).T, np.float64(0.1), np.int64(3), math.nan]
    array, real, whole, nan = decoded(encoded(value))
    np.testing.assert_array_equal(array, value[0])
    assert (type(real), real, type(whole), whole) == (np.float64, 0.1, np.int64, 3)
    assert math.isnan(nan)


def test_what_is_no_plain_value_is_not_sent() -> None:
    with pytest.raises(TypeError, match="Evil is nothing that processes send each other"):
        encoded([Evil()])


@pytest.mark.parametrize(
    "data",
    [
        pickle.dumps(Evil()),
        b"",
        b"\0" * 8,
        encoded([1, 2])[:-1],
        encoded(1)[:-1] + b"[",
        b"\xff" * 40,
        pickle.dumps(3),
    ],
)
def test_bytes_that_are_no_message_are_refused(data: bytes) -> None:
    with pytest.raises(MessageError):
        decoded(data)


def test_only_who_has_the_secret_is_believed() -> None:
    message = encoded(["weights", 3])
    text = signed("1/0", message, SECRET).encode()
    assert decoded(verified("1/0", text, SECRET)) == ["weights", 3]
    for key, forged, secret in (
        ("1/0", signed("1/0", message, b"another secret").encode(), SECRET),
        ("1/1", text, SECRET),  # the answer of another process
        ("1/0", text[:-2], SECRET),
        ("1/0", b"80049", SECRET),
        ("1/0", "ä".encode("latin-1"), SECRET),
        ("1/0", b"", SECRET),
    ):
        with pytest.raises(MessageError):
            verified(key, forged, secret)
