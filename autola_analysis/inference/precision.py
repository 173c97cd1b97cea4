"""The arithmetic of a run: float32 that means float32, an explicit lower precision, or the network's own type."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from autola_analysis.core.errors import OptionError
from autola_analysis.inference.turns import TURN

PRECISIONS = ("float32", "tf32", "bfloat16", "float16")


@contextmanager
def precision_of(name: str, device: torch.device) -> Iterator[None]:
    """Run the context's forwards in a precision, one thread at a time; global switches are restored afterwards.

    Args:
        name: "float32" (TF32 off), "tf32", or "bfloat16"/"float16" (autocast).
        device: Where the forwards run.

    Raises:
        OptionError: If the name is not known.
    """
    if name not in PRECISIONS:
        raise OptionError(f"precision is one of {', '.join(PRECISIONS)}; found {name!r}.")
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    low = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(name)
    with TURN:
        before = (matmul.allow_tf32, cudnn.allow_tf32)
        matmul.allow_tf32 = cudnn.allow_tf32 = name == "tf32"
        try:
            with torch.autocast(device.type, dtype=low, enabled=low is not None):
                yield
        finally:
            matmul.allow_tf32, cudnn.allow_tf32 = before


def number_type(model: nn.Module) -> torch.dtype:
    """Return the type of a network's first floating-point parameter; float32 for one without."""
    return next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32)


def remarks_on_type(model: nn.Module) -> list[str]:
    """Return what a reader should know of the type of a network's weights; nothing of float32."""
    name = str(number_type(model)).removeprefix("torch.")
    if name == "float32":
        return []
    return [f"its weights are {name}; it takes the images in that type and computes in it, as it is."]


def fitting(images: Tensor, model: nn.Module) -> Tensor:
    """Return standardised images in the type in which a network computes."""
    return images.to(number_type(model))
