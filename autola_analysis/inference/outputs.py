"""What networks put out: a tensor, or tensors in dicts, lists and tuples."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

Output = Any
"""A tensor, or dicts, lists and tuples of tensors, as a network puts them out for a batch"""
Score = Callable[[Output], Tensor]
"""output of a batch -> the number of each image that is explained, ``(B,)``, part of the output's graph"""

TOLERANCE = 1e-4
"""Largest difference of two tensors that are the same up to rounding, relative to the largest value of a channel."""
QUIET_CHANNEL = 0.05
"""Channels whose largest value is below this share of the tensor's are held to the share: their values are rounding."""


def tensors_of(output: Output) -> Iterator[Tensor]:
    """Yield the tensors of an output, from left to right."""
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, Mapping):
        yield from tensors_of(list(output.values()))
    elif isinstance(output, (list, tuple)):
        for entry in output:
            yield from tensors_of(entry)


def detached(output: Output) -> Output:
    """Return an output of the same structure whose tensors are part of no graph."""
    if isinstance(output, Tensor):
        return output.detach()
    if isinstance(output, Mapping):
        return {key: detached(value) for key, value in output.items()}
    if isinstance(output, (list, tuple)):
        return _like(output, [detached(entry) for entry in output])
    return output


def rows_of_output(output: Output, rows: Tensor) -> Output:
    """Return the output of some images of a batch; a list holds an entry per image, a tuple parts of all images."""
    if isinstance(output, Tensor):
        return output[rows.to(output.device)]
    if isinstance(output, Mapping):
        return {key: rows_of_output(value, rows) for key, value in output.items()}
    if isinstance(output, list):
        return [output[row] for row in rows.tolist()]
    if isinstance(output, tuple):
        return _like(output, [rows_of_output(entry, rows) for entry in output])
    return output


def with_entry(output: Output, entry: str | int, value: Output) -> Output:
    """Return a copy of a dict, list or tuple with another value at one entry."""
    if isinstance(output, tuple):
        entries = list(output)
        entries[int(entry)] = value
        return _like(output, entries)
    changed = copy.copy(output)
    changed[entry] = value
    return changed


def describe(output: Output) -> str:
    """Return what an output is, for messages: the shape of a tensor, else the type."""
    return f"shape {tuple(output.shape)}" if isinstance(output, Tensor) else type(output).__name__


def same_outputs(expected: Output, found: Output) -> bool:
    """Return whether two outputs have one structure and differ by no more than float32 arithmetic explains."""
    if isinstance(expected, Tensor):
        return isinstance(found, Tensor) and same_up_to_rounding(expected, found)
    if type(expected) is not type(found):
        return False
    if isinstance(expected, Mapping):
        return list(expected) == list(found) and same_outputs(list(expected.values()), list(found.values()))
    if isinstance(expected, (list, tuple)):
        return len(expected) == len(found) and all(map(same_outputs, expected, found))
    return bool(expected == found)


def same_up_to_rounding(expected: Tensor, found: Tensor) -> bool:
    """Return whether two tensors ``(B, K, ...)`` differ by no more than float32 arithmetic explains.

    A tensor of fewer dimensions counts as one channel; tensors of whole numbers must be equal.
    """
    if expected.shape != found.shape:
        return False
    if not expected.is_floating_point() or not expected.numel():
        return torch.equal(expected, found)
    if expected.ndim < 2:
        expected, found = expected.reshape(-1, 1), found.reshape(-1, 1)
    largest = expected.abs().transpose(0, 1).flatten(1).amax(1)
    difference = (expected - found).abs().transpose(0, 1).flatten(1).amax(1)
    scale = largest.clamp(min=QUIET_CHANNEL * float(largest.max()))
    return bool((difference <= TOLERANCE * scale).all())


def _like(output: Any, entries: list[Any]) -> Any:
    """Return a list or tuple of the class of `output` that holds `entries`."""
    return type(output)(*entries) if hasattr(output, "_fields") else type(output)(entries)
