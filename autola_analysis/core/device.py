"""Which device a run uses."""

from __future__ import annotations

import torch

from autola_analysis.core.errors import OptionError


def float64_device(name: str | torch.device = "auto") -> torch.device:
    """Return the device of a name, or the CPU in place of one without float64.

    Raises:
        OptionError: As `resolve_device`.
    """
    device = resolve_device(name)
    return torch.device("cpu") if device.type == "mps" else device


def check_memory() -> None:
    """Refuse to compute where torch makes tensors that hold no numbers.

    Raises:
        OptionError: If torch's default device is its meta device.
    """
    if torch.empty(0).device.type == "meta":
        raise OptionError(
            "torch makes tensors without memory here, since its default device is 'meta'; call this outside of "
            "torch.device('meta'), or set another with torch.set_default_device."
        )


def resolve_device(name: str | torch.device = "auto") -> torch.device:
    """Return the device of a name; "auto" is the first CUDA device where there is one, else the CPU.

    Raises:
        OptionError: If the name is no device, there is no such device here, or tensors are made without memory.
    """
    check_memory()
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise OptionError(f"device is 'auto', 'cpu' or 'cuda[:N]'; found {name!r}.") from error
    if device.type not in ("cpu", "cuda") and not (device.type == "mps" and torch.backends.mps.is_available()):
        raise OptionError(f"device is 'auto', 'cpu' or 'cuda[:N]'; found {name!r}.")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise OptionError(f"device {name} was asked for, and torch sees {torch.cuda.device_count()} CUDA devices here.")
    return device
