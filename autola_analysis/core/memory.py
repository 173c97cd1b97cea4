"""Errors that say that memory could not be had."""

from __future__ import annotations

REFUSALS = ("allocate memory", "not enough memory", "failed to map segment", "can't start new thread")
"""Of C++ and of the system's loader, which know no `MemoryError`"""


def lacks_memory(error: BaseException) -> bool:
    """Return whether an error says that the system refused memory, or the address space for it."""
    return isinstance(error, MemoryError) or any(text in str(error) for text in REFUSALS)
