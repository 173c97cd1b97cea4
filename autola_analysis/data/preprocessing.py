"""What happens to an image between the file and the network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as TF

from autola_analysis.core.bounds import LARGEST_SIDE
from autola_analysis.core.errors import OptionError
from autola_analysis.core.registry import Registry
from autola_analysis.core.text import counted
from autola_analysis.core.transfer import sent

LARGEST_STATISTIC = 1e6
SMALLEST_STD = 1e-6
FILTERS = tuple(mode.value for mode in InterpolationMode)


@dataclass(frozen=True)
class Preprocessing:
    """Geometry per image, arithmetic per batch.

    The geometry (resize, centre crop) gives uint8 tensors that models with different statistics can share; the
    statistics are applied to a whole batch, on the device of the model.

    Attributes:
        resize: Length of the image's shorter side after resizing, in pixels; None leaves the size.
        crop: Side of the central square that is kept, in pixels; None keeps everything.
        mean: Per channel (R, G, B), of values in [0, 1]; one number makes grey images of one channel.
        std: Per channel, of values in [0, 1].
        interpolation: Name of the resampling filter.
        stretch: Side of the square that the whole image is brought to, whatever its shape, before resize and crop;
            None keeps its shape.

    Raises:
        OptionError: If a number is not possible, or there is no such filter.
    """

    resize: int | None = None
    crop: int | None = None
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    interpolation: str = "bilinear"
    stretch: int | None = None

    def __post_init__(self) -> None:
        for name, side in (("resize", self.resize), ("crop", self.crop), ("stretch", self.stretch)):
            if side is not None and not (isinstance(side, int) and 1 <= side <= LARGEST_SIDE):
                raise OptionError(
                    f"{name} of a preprocessing is from 1 to {LARGEST_SIDE} pixels; found {repr(side)[:40]}."
                )
        for name, values in (("mean", self.mean), ("std", self.std)):
            low = SMALLEST_STD if name == "std" else -LARGEST_STATISTIC
            numbers = isinstance(values, tuple) and all(
                isinstance(v, int | float) and low <= v <= LARGEST_STATISTIC for v in values
            )
            if not numbers or len(values) not in (1, 3):
                raise OptionError(
                    f"{name} of a preprocessing is one number per channel (R, G, B), from {low:g} to "
                    f"{LARGEST_STATISTIC:g}; found {repr(values)[:80]}."
                )
        if len(self.mean) != len(self.std):
            raise OptionError(
                f"mean has {counted(len(self.mean), 'number')} and std {len(self.std)}; give as many of both."
            )
        if self.interpolation not in FILTERS:
            raise OptionError(f"interpolation is one of {', '.join(FILTERS)}; found {self.interpolation!r}.")

    def geometry(self, image: Image.Image) -> Tensor:
        """Return the resized and cropped image as a uint8 tensor ``(3, H, W)``, of a grey image ``(1, H, W)``."""
        image = image.convert("RGB" if self.channels == 3 else "L")
        if self.stretch is not None:
            sides = [self.stretch, self.stretch]
            image = TF.resize(image, sides, InterpolationMode(self.interpolation), antialias=True)
        if self.resize is not None:
            image = TF.resize(image, [self.resize], InterpolationMode(self.interpolation), antialias=True)
        if self.crop is not None:
            image = TF.center_crop(image, [self.crop, self.crop])
        pixels = torch.from_numpy(np.array(image))
        return pixels.permute(2, 0, 1).contiguous() if pixels.ndim == 3 else pixels[None]

    def normalize(self, images: Tensor) -> Tensor:
        """Return uint8 images ``(B, C, H, W)`` as standardised float32 on the same device."""
        mean, std = sent(torch.tensor([self.mean, self.std]).view(2, -1, 1, 1), images.device)
        return (images.to(torch.float32) / 255 - mean) / std

    @property
    def has_geometry(self) -> bool:
        """Whether images are resized or cropped at all."""
        return (self.resize, self.crop, self.stretch) != (None, None, None)

    @property
    def channels(self) -> int:
        """Channels of the images: 3, or 1 for grey ones."""
        return len(self.mean)

    @property
    def shared_key(self) -> tuple[int | None, int | None, int | None, str, int]:
        """What two models must have in common to share decoded images."""
        return (self.stretch, self.resize, self.crop, self.interpolation, self.channels)

    def with_channels(self, channels: int) -> Preprocessing:
        """Return this preprocessing for images of 1 or 3 channels; a grey image gets the mean over the channels."""
        if channels == self.channels:
            return self
        mean, std = (sum(values) / len(values) for values in (self.mean, self.std))
        return replace(self, mean=(mean,) * channels, std=(std,) * channels)

    def described(self) -> str:
        """Return in words what is done to an image."""
        steps = [f"stretch {self.stretch}"] if self.stretch is not None else []
        steps += [f"resize {self.resize}"] if self.resize is not None else []
        steps += [f"crop {self.crop}"] if self.crop is not None else []
        steps = steps or ["size as it is"]
        steps += ["grey"] if self.channels == 1 else []
        mean, std = (", ".join(f"{value:.4g}" for value in values) for values in (self.mean, self.std))
        plain = self.mean == (0.0,) * self.channels and self.std == (1.0,) * self.channels
        return ", ".join([*steps, "values from 0 to 1" if plain else f"mean ({mean}), std ({std})"])

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


Side = int | Literal["none"]
"""A number of pixels, or no step of the kind"""


@dataclass(frozen=True)
class Geometry:
    """What the user says of resize and crop, in place of what network and images suggest.

    Attributes:
        resize: Length of the shorter side, or "none"; None leaves what is suggested.
        crop: Side of the central square, or "none"; None leaves what is suggested.

    Raises:
        OptionError: If a side is no number of pixels.
    """

    resize: Side | None = None
    crop: Side | None = None

    def __post_init__(self) -> None:
        for name, side in (("resize", self.resize), ("crop", self.crop)):
            if side is not None and side != "none" and not (type(side) is int and side >= 1):
                raise OptionError(f"--{name} takes a number of pixels from 1 on, or none; found {side!r}.")

    def applied_to(self, preprocessing: Preprocessing) -> Preprocessing:
        """Return a preprocessing with the sides that are given."""
        given = {"resize": self.resize, "crop": self.crop}
        changes: dict[str, Any] = {
            name: None if side == "none" else side for name, side in given.items() if side is not None
        }
        return replace(preprocessing, **changes)


def statistics_of(text: str) -> Preprocessing:
    """Return the channel statistics that ``--normalize`` asks for: by name, or ``MEAN/STD`` in numbers.

    Args:
        text: A name, see `NORMALIZATIONS`; or numbers as ``0.5,0.5,0.5/0.25,0.25,0.25``, one number of a kind for all
            channels.

    Raises:
        OptionError: If the numbers are none, or not possible.
        UnknownNameError: If there is no such name.
    """
    if "/" not in text:
        return NORMALIZATIONS.get(text)
    try:
        mean, std = (tuple(float(number) for number in part.split(",")) for part in text.split("/"))
    except ValueError as error:
        raise OptionError(
            f"--normalize takes {', '.join(NORMALIZATIONS)} or MEAN/STD as in 0.5,0.5,0.5/0.25,0.25,0.25; "
            f"found {text!r}."
        ) from error
    channels = max(len(mean), len(std))
    of_each = {"mean": mean, "std": std}
    return Preprocessing(
        **{name: values * channels if len(values) == 1 else values for name, values in of_each.items()}  # type: ignore[arg-type]
    )
