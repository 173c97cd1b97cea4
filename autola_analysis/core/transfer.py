"""Values between the computer's memory and a device, without waiting for all that the device has been asked to do."""

from __future__ import annotations

import torch
from torch import Tensor


def sent(values: Tensor, device: torch.device) -> Tensor:
    """Return values on a device; a GPU fetches them when it comes to them."""
    if device.type == "cuda" and not values.is_cuda:
        values = values.pin_memory()
    return values.to(device, non_blocking=True)


class Arriving:
    """Values that a device computes, on their way to the computer's memory.

    Asked for at once, they wait for the device; asked for when it has been given more to do, they wait for no more than
    what was asked before they were.

    Args:
        values: On any device.
    """

    def __init__(self, values: Tensor) -> None:
        self._values = values
        self._done: torch.cuda.Event | None = None
        if values.is_cuda:
            self._values = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
            self._values.copy_(values, non_blocking=True)
            self._done = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._done.record(torch.cuda.current_stream(values.device))

    def values(self) -> Tensor:
        """Return the values, on the CPU."""
        if self._done is not None:
            self._done.synchronize()
        return self._values.cpu()
