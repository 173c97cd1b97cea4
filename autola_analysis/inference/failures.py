"""One sentence for a network that cannot run on the images it is given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from autola_analysis.core.errors import DataError
from autola_analysis.core.memory import lacks_memory
from autola_analysis.core.own_code import is_of_own_code, reason_of

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
        if not (_raised_in_a_module(error) or memory) or not is_of_own_code(error) or (memory and not memory_too):
            raise
        text = f"{name} cannot run on images of shape {tuple(shape)}: {reason_of(error)}"
        raise DataError(f"{text}; {advice}.") from error


def out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory could not be had, on a GPU or on the CPU."""
    return isinstance(error, torch.OutOfMemoryError) or lacks_memory(error)


def _raised_in_a_module(error: BaseException) -> bool:
    """Return whether an error was raised while a module of torch ran, rather than by the code that called it."""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_globals.get("__name__") == torch.nn.modules.module.__name__:
            return True
        trace = trace.tb_next
    return False
