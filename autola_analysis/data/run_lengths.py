"""Masks as COCO stores them: lengths of runs down the columns, zeros first, plain or packed into a text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FIRST, DIGIT, MORE, SIGN = 48, 0x1F, 0x20, 0x10
"""Of a packed character: its offset, the bits of the number, whether another follows, and the sign of the last"""


def unpack(text: str) -> list[int]:
    """Return the lengths that a text stands for, five bits a character; from the fourth on it holds differences.

    Raises:
        ValueError: If the text ends inside a number.
    """
    lengths: list[int] = []
    value, bits = 0, 0
    for character in text:
        digit = ord(character) - FIRST
        value |= (digit & DIGIT) << bits
        bits += 5
        if digit & MORE:
            continue
        if digit & SIGN:
            value -= 1 << bits
        lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
        value, bits = 0, 0
    if bits:
        raise ValueError("the text of a mask ends inside a number")
    return lengths


def mask_of(lengths: Sequence[int], height: int, width: int) -> NDArray[np.bool_]:
    """Return the mask of runs of zeros and ones in turn, ``(height, width)``.

    Raises:
        ValueError: If the runs do not cover the image exactly.
    """
    runs = np.asarray(lengths, dtype=np.int64)
    total = sum(runs.tolist())  # numpy's own sum wraps around, and so many zeros and ones end the process
    if (runs < 0).any() or total != height * width:
        raise ValueError(f"the runs of a mask cover {total} pixels of {height * width}")
    flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return flat.reshape(width, height).T


def lengths_of(mask: NDArray[np.bool_]) -> list[int]:
    """Return the lengths of the runs of a mask ``(height, width)``, the first of zeros."""
    flat = mask.T.reshape(-1)
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    edges = [0, *changes.tolist(), flat.size]
    lengths = np.diff(edges).tolist()
    return [0, *lengths] if flat[0] else lengths
