"""What a run takes of the machine where the user has not said: images per batch, processes that decode.

What memory allows is rounded down to a power of two: a little more or less of it, which is never the same twice, gives
the same batches and with them the same sums to the last bit.
"""

from __future__ import annotations

import os
from pathlib import Path

import torch

LARGEST_BATCH = 256
PASS_PIXELS = 6 * 256 * 32 * 32
"""Pixels of a batch on a CPU: more are no faster there, see benchmarks/selectivity.py."""
GRADIENT_PIXELS = 8 * 224 * 224
PASS_BYTES, GRADIENT_BYTES = 2048, 8192
"""Memory per pixel of an image, in wide networks at full resolution; a ResNet-50 takes a tenth of it."""
MOST_WORKERS = 16


def pass_batch_size(side: int, device: torch.device) -> int:
    """Return how many images of a side run through a network at once.

    On a CPU as many pixels as are fastest, but at least 8 images; on a GPU as many images as half of its free memory
    holds. Nowhere more than memory holds or than 256.
    """
    wanted = LARGEST_BATCH if device.type == "cuda" else max(8, PASS_PIXELS // side**2)
    return _bounded(wanted, side, PASS_BYTES, device)


def gradient_batch_size(side: int, device: torch.device) -> int:
    """Return the same for forwards that keep a graph and their backward passes."""
    wanted = LARGEST_BATCH if device.type == "cuda" else GRADIENT_PIXELS // side**2
    return _bounded(wanted, side, GRADIENT_BYTES, device)


def _bounded(wanted: int, side: int, bytes_per_pixel: int, device: torch.device) -> int:
    size = max(1, min(wanted, LARGEST_BATCH))
    free = free_memory(device)
    if free is not None:
        held = max(1, free // 2 // (bytes_per_pixel * side**2))
        size = min(size, 2 ** (held.bit_length() - 1))
    return size


def free_memory(device: torch.device) -> int | None:
    """Return the bytes of memory that are free on a device; None where the system does not tell."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")), None)


def decoding_workers(device: torch.device) -> int:
    """Return how many processes decode images: none beside a CPU's forwards, which use all cores; some beside a GPU.

    Of the cores that this process may use, processes that a launcher has started on the same machine get equal shares,
    and one each stays with the process itself.
    """
    if device.type != "cuda":
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(0, min(MOST_WORKERS, cores // int(os.environ.get("LOCAL_WORLD_SIZE", "1")) - 1))
