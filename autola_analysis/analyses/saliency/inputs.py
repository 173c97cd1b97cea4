"""Images as the network that is explained takes them."""

from __future__ import annotations

import torch
from torch import Tensor

from autola_analysis.analyses.variants import Variant
from autola_analysis.core.errors import DataError
from autola_analysis.inference.precision import fitting


def standardised(variant: Variant, images: Tensor, needs_head: bool = True) -> Tensor:
    """Return the images as the network takes them, on its device and in its type.

    Raises:
        DataError: If they are not a batch, or the network has no head where it needs one, or no known preprocessing.
    """
    if not isinstance(images, Tensor) or images.ndim != 4:
        found = f"shape {tuple(images.shape)}" if isinstance(images, Tensor) else type(images).__name__
        raise DataError(f"images must be a tensor (B, 3, H, W); found {found} (images[None] makes a batch of one).")
    if not len(images):
        raise DataError("there is no image to explain.")
    if needs_head and not variant.has_head:
        raise DataError(f"{variant.title} has no head, so that there is no class score to explain.")
    weight = next((p for p in variant.model.parameters() if p.is_floating_point()), None)
    with torch.inference_mode(False), torch.no_grad():
        device = images.device if weight is None else weight.device
        images = images.to(device)
        if images.dtype == torch.uint8:
            if variant.preprocessing is None:
                raise DataError("the images are uint8 and the network's preprocessing is not known; standardise them.")
            images = variant.preprocessing.normalize(images)
        if not images.is_floating_point():
            raise DataError(f"images must be floating point or uint8; found {images.dtype}.")
        return fitting(images, variant.model)
