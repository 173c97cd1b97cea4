"""Memory that a batch frees stays at hand for the next one.

The C library of Linux gives large blocks back to the system when they are freed, and the next batch faults them in
again, page by page: a quarter of a ResNet-20's time (benchmarks/RESULTS.md). On GPUs torch keeps freed
memory itself.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# The parameters of mallopt(3), and the largest values that glibc gives them by itself.
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
OWN_MMAP_THRESHOLD = 32 * 2**20
OWN_TRIM_THRESHOLD = 2 * OWN_MMAP_THRESHOLD
NEVER = 2**31 - 1
OWN_SETTINGS = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")
"""Environment variables by which a user decides this."""

_lock = threading.Lock()
_contexts = 0


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Keep freed memory while the context lasts; what is free at its end goes back to the system.

    Contexts may nest, and overlap in several threads: the last one to end counts. Afterwards the C library has the
    thresholds that it chooses itself once a process has freed a block of 32 MB. Without effect where the C library is
    not glibc, or where the user has set it up.
    """
    if not _adjustable():
        yield
        return
    _enter()
    try:
        yield
    finally:
        _leave()


def _adjustable() -> bool:
    if sys.platform != "linux" or any(name in os.environ for name in OWN_SETTINGS):
        return False
    return hasattr(ctypes.CDLL(None), "gnu_get_libc_version")


def _enter() -> None:
    global _contexts
    with _lock:
        _contexts += 1
        if _contexts == 1:
            _trim_beyond(NEVER)


def _leave() -> None:
    global _contexts
    with _lock:
        _contexts -= 1
        if _contexts == 0:
            _trim_beyond(OWN_TRIM_THRESHOLD)
            ctypes.CDLL(None).malloc_trim(0)


def _trim_beyond(free: int) -> None:
    """Set how many bytes may be free before the library gives them back.

    That ends its own adapting of both thresholds. Larger blocks than it would ever keep are still mapped one by one:
    kept as well, aligned blocks of one size do not fit where the one before was (glibc before 2.38), and memory grows.
    """
    c_library = ctypes.CDLL(None)
    c_library.mallopt(MMAP_THRESHOLD, OWN_MMAP_THRESHOLD)
    c_library.mallopt(TRIM_THRESHOLD, free)
