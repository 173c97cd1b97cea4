"""What is explained of each image: a class, or any score that a function reads from the output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autola_analysis.core.bounds import LARGEST_CLASS
from autola_analysis.core.errors import OptionError
from autola_analysis.inference.outputs import Score

Classes = Sequence[int] | NDArray[np.integer] | Tensor
Target = str | int | Classes | Score
"""``predicted``, ``label``, one class for all images, a class per image, or a function output -> ``(B,)``"""


def fixed_targets(target: str | int | Classes, labels: Classes | None, images: int) -> Tensor | None:
    """Return the class to explain of every image, ``(B,)`` int64; None where the predictions decide.

    Raises:
        OptionError: If the target is none of these, needs labels that are not there, or does not have one class per
            image.
    """
    expected = "target is 'predicted', 'label', a class number, one class number per image, or a function of the output"
    if isinstance(target, str):
        if target == "predicted":
            return None
        if target != "label":
            raise OptionError(f"{expected}; found {target!r}.")
        if labels is None:
            raise OptionError("target 'label' explains each image's own class, and no labels were given.")
        return _per_image(labels, images, "labels")
    if isinstance(target, (int, np.integer)) and not isinstance(target, bool):
        if not 0 <= target <= LARGEST_CLASS:
            raise OptionError(f"target is a class number from 0 to {LARGEST_CLASS}; found {str(target)[:40]}.")
        return torch.full((images,), int(target), dtype=torch.int64)
    if isinstance(target, (Sequence, np.ndarray, Tensor)):
        classes: Any = target
        return _per_image(classes, images, "targets")
    raise OptionError(f"{expected}; found {target!r}.")


def _per_image(classes: Classes, images: int, what: str) -> Tensor:
    try:
        values = torch.as_tensor(classes).detach().cpu()
    except (TypeError, ValueError, RuntimeError) as error:
        raise OptionError(f"{what} must be class numbers, one per image; found {classes!r}.") from error
    if values.ndim == 0 and values.numel() == 1 and what == "targets":
        values = values.expand(images)
    if values.shape != (images,):
        raise OptionError(f"{what} must be one class number per image: {images} images, {what} {tuple(values.shape)}.")
    if values.is_floating_point() or values.is_complex() or values.dtype == torch.bool:
        raise OptionError(f"{what} must be whole class numbers; found {str(values.dtype).removeprefix('torch.')}.")
    return values.to(torch.int64)
