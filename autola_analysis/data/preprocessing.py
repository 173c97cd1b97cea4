"""What happens to an image between the file and the network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from math import isfinite
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as TF

from autola_analysis.core.errors import OptionError
from autola_analysis.core.registry import Registry

FILTERS = tuple(mode.value for mode in InterpolationMode)


@dataclass(frozen=True)
class Preprocessing:
    """Geometry per image, arithmetic per batch.

    The geometry (resize, centre crop) gives uint8 tensors that models with different statistics can share; the
    statistics are applied to a whole batch, on the device of the model.

    Attributes:
        resize: Length of the image's shorter side after resizing, in pixels; None leaves the size.
        crop: Side of the central square that is kept, in pixels; None keeps everything.
        mean: Per channel (R, G, B), of values in [0, 1].
        std: Per channel (R, G, B), of values in [0, 1].
        interpolation: Name of the resampling filter.

    Raises:
        OptionError: If a number is not possible, or there is no such filter.
    """

    resize: int | None = None
    crop: int | None = None
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        for name, side in (("resize", self.resize), ("crop", self.crop)):
            if side is not None and not (isinstance(side, int) and side >= 1):
                raise OptionError(f"{name} of a preprocessing is a number of pixels from 1 on; found {side!r}.")
        for name, values in (("mean", self.mean), ("std", self.std)):
            numbers = isinstance(values, tuple) and all(isinstance(v, int | float) and isfinite(v) for v in values)
            if not numbers or len(values) != 3 or (name == "std" and min(values) <= 0):
                raise OptionError(f"{name} of a preprocessing is one number per channel (R, G, B); found {values!r}.")
        if self.interpolation not in FILTERS:
            raise OptionError(f"interpolation is one of {', '.join(FILTERS)}; found {self.interpolation!r}.")

    def geometry(self, image: Image.Image) -> Tensor:
        """Return the resized and cropped image as a uint8 tensor ``(3, H, W)``."""
        image = image.convert("RGB")
        if self.resize is not None:
            image = TF.resize(image, [self.resize], InterpolationMode(self.interpolation), antialias=True)
        if self.crop is not None:
            image = TF.center_crop(image, [self.crop, self.crop])
        return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()

    def normalize(self, images: Tensor) -> Tensor:
        """Return uint8 images ``(B, 3, H, W)`` as standardised float32 on the same device."""
        mean = torch.tensor(self.mean, device=images.device).view(3, 1, 1)
        std = torch.tensor(self.std, device=images.device).view(3, 1, 1)
        return (images.to(torch.float32) / 255 - mean) / std

    @property
    def has_geometry(self) -> bool:
        """Whether images are resized or cropped at all."""
        return self.resize is not None or self.crop is not None

    @property
    def shared_key(self) -> tuple[int | None, int | None, str]:
        """What two models must have in common to share decoded images."""
        return (self.resize, self.crop, self.interpolation)

    def with_statistics_of(self, other: Preprocessing) -> Preprocessing:
        """Return this geometry with the mean and standard deviation of `other`."""
        return replace(self, mean=other.mean, std=other.std)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a JSON-ready dictionary."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Preprocessing:
        """Make a preprocessing of what `to_dict` returned, lists for tuples accepted."""
        fields: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
        return cls(**fields)


NORMALIZATIONS: Registry[Preprocessing] = Registry("normalization")
"""Means and standard deviations by name, the values of ``--normalize``."""

IMAGENET_STATISTICS = NORMALIZATIONS.register("imagenet")(
    Preprocessing(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
)
CIFAR10_STATISTICS = NORMALIZATIONS.register("cifar10")(
    Preprocessing(mean=(0.4914, 0.4822, 0.4465), std=(0.2470, 0.2435, 0.2616))
)
CIFAR100_STATISTICS = NORMALIZATIONS.register("cifar100")(
    Preprocessing(mean=(0.5071, 0.4865, 0.4409), std=(0.2673, 0.2564, 0.2762))
)
NO_STATISTICS = NORMALIZATIONS.register("none")(Preprocessing())
