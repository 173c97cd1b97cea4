"""One sentence for a network that cannot run on the images it is given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from autola_analysis.core.errors import DataError
from autola_analysis.core.memory import lacks_memory
from autola_analysis.core.own_code import is_of_own_code, reason_of
from autola_analysis.core.text import counted

SIZES = "give --resize and --crop for images of another size"


@contextmanager
def forward_of(name: str, shape: Sequence[int], advice: str = SIZES, memory_too: bool = True) -> Iterator[None]:
    """Turn what a forward raises into an error that names network and images.

    Args:
        name: Of the network.
        shape: Of its images, the batch left out.
        advice: What to do, as a part of a sentence.
        memory_too: Whether running out of memory is such a failure.

    Raises:
        DataError: If the forward fails.
    """
    try:
        yield
    except BaseException as error:
        memory = out_of_memory(error)
        if not (memory and memory_too and is_of_own_code(error)) and not failed_in_module(error):
            raise
        text = f"{name} cannot run on images of shape {tuple(shape)}: {place_of(error)}"
        raise DataError(f"{text}; {_other_channels(error, shape) or advice}.") from error


def out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory could not be had, on a GPU or on the CPU."""
    return isinstance(error, torch.OutOfMemoryError) or lacks_memory(error)


def failed_in_module(error: BaseException) -> bool:
    """Return whether an error is that of a module of torch, rather than of the code that called it, or of memory."""
    return next(_calls(error), None) is not None and is_of_own_code(error) and not out_of_memory(error)


def place_of(error: BaseException) -> str:
    """Return the reason of an error; of one that says nothing, also the module that raised it and what that was given.

    timm's modules that cut maps into blocks assert that the sides are multiples of a block's, without a word.
    """
    if str(error).strip():
        return reason_of(error)
    where = ""
    for values in _calls(error):  # the last that runs is the one that raised it
        shapes = [str(tuple(value.shape)) for value in values.get("args", ()) if isinstance(value, torch.Tensor)]
        if shapes and "self" in values:
            where = f" in {type(values['self']).__name__}, given a map of shape {' and '.join(shapes)}"
    return reason_of(error) + where


def _other_channels(error: BaseException, shape: Sequence[int]) -> str:
    """Return what to do about images of other channels than the first convolution takes; "" where it takes them."""
    for values in _calls(error):
        layer, given = values.get("self"), values.get("args", ())
        if not isinstance(layer, torch.nn.Conv2d) or not given or tuple(given[0].shape[1:]) != tuple(shape):
            continue
        if layer.in_channels != shape[0]:
            return f"give images of {counted(layer.in_channels, 'channel')}, as its first convolution takes"
    return ""


def _calls(error: BaseException) -> Iterator[Mapping[str, Any]]:
    """Yield the local variables of the calls of modules, outer first, in which an error was raised."""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_globals.get("__name__") == torch.nn.modules.module.__name__:
            yield trace.tb_frame.f_locals
        trace = trace.tb_next
