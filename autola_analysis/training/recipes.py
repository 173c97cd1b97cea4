"""Training recipes as data."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

from autola_analysis.core.errors import OptionError
from autola_analysis.core.registry import Registry, nearest
from autola_analysis.data.preprocessing import NORMALIZATIONS

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")
SCHEDULES = ("cosine", "step")
MEASURE = "measure"
"""In place of a name of statistics: measure those of the training split."""


def check_signs(recipe: object, positive: Sequence[str], not_negative: Sequence[str]) -> None:
    """Refuse values of a recipe that have the wrong sign.

    Args:
        recipe: Has the values as attributes.
        positive: Names of those above zero.
        not_negative: Names of those from zero on.

    Raises:
        OptionError: Naming the first.
    """
    for name in positive:
        if getattr(recipe, name) <= 0:
            raise OptionError(f"{name} must be positive; found {getattr(recipe, name)}.")
    for name in not_negative:
        if getattr(recipe, name) < 0:
            raise OptionError(f"{name} cannot be negative; found {getattr(recipe, name)}.")


@dataclass(frozen=True)
class Recipe:
    """Everything that decides how a network is trained, apart from the network and the seed.

    Attributes:
        description: One line for ``list recipes``.
        data: Source of the images, as ``--data`` takes it.
        test_split: Split that accuracy is measured on; nothing is selected by it but an epoch to keep at an accuracy.
        backbone: Default backbone.
        width: Base width of the network; 0 leaves the backbone's own.
        epochs: Passes over the training split.
        batch_size: Images per step.
        learning_rate: Peak of the schedule.
        momentum: Of stochastic gradient descent.
        weight_decay: On all parameters.
        schedule: "cosine" to zero, or "step": divided by 10 every `step_epochs`.
        step_epochs: See `schedule`.
        warmup_epochs: Length of a linear warm-up from zero, in epochs.
        crop_padding: Zero padding in pixels before a random crop of the original size; 0 for none.
        random_resized_crop: Side in pixels of a crop of random area and aspect; 0 for none.
        flip: Whether images are mirrored at random.
        cutout: Side in pixels of a square set to the mean colour; 0 for none.
        normalize: Name of the statistics to standardise with; "" takes the source's own, "measure" those of the
            training split.

    Raises:
        OptionError: If a value is out of its range.
    """

    description: str
    data: str
    test_split: str = "test"
    backbone: str = "resnet20"
    width: int = 0
    epochs: int = 500
    batch_size: int = 256
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: str = "cosine"
    step_epochs: int = 30
    warmup_epochs: float = 0.0
    crop_padding: int = 4
    random_resized_crop: int = 0
    flip: bool = True
    cutout: int = 0
    normalize: str = ""

    def __post_init__(self) -> None:
        if self.schedule not in SCHEDULES:
            raise OptionError(f"schedule is one of {', '.join(SCHEDULES)}; found {self.schedule!r}.")
        check_signs(
            self,
            positive=("epochs", "batch_size", "learning_rate", "step_epochs"),
            not_negative=(
                "width",
                "momentum",
                "weight_decay",
                "warmup_epochs",
                "crop_padding",
                "random_resized_crop",
                "cutout",
            ),
        )
        if self.normalize not in ("", MEASURE):
            NORMALIZATIONS.get(self.normalize)

    def learning_rate_factor(self, epoch: float) -> float:
        """Return the learning rate at a (fractional) epoch as a share of `learning_rate`."""
        if epoch < self.warmup_epochs:
            return epoch / self.warmup_epochs
        if self.schedule == "step":
            return 0.1 ** (int(epoch) // self.step_epochs)
        done = (epoch - self.warmup_epochs) / max(self.epochs - self.warmup_epochs, 1e-9)
        return 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))

    def overridden(self, values: Mapping[str, str]) -> Recipe:
        """Return a copy with some values replaced, given as text the way a command line has them.

        Raises:
            OptionError: If a key is unknown or a value does not have the key's type.
        """
        return overridden(self, values)

    def to_dict(self) -> dict[str, Any]:
        """Return the values as a JSON-ready dictionary."""
        return asdict(self)


def overridden(recipe: T, values: Mapping[str, str]) -> T:
    """Return a recipe of any kind with some values replaced, see `Recipe.overridden`."""
    types = {item.name: type(getattr(recipe, item.name)) for item in fields(recipe)}
    changes: dict[str, Any] = {}
    for key, text in values.items():
        if key not in types:
            raise OptionError(f"a recipe has no value {key!r}; the nearest: {', '.join(nearest(key, types))}.")
        changes[key] = _parsed(key, text, types[key])
    return replace(recipe, **changes)


def _parsed(key: str, text: str, kind: type) -> Any:
    if kind is str:
        return text
    value: Any
    try:
        value = json.loads(text.lower())
    except json.JSONDecodeError:
        value = None
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind or (isinstance(value, float) and not math.isfinite(value)):
        raise OptionError(f"{key} takes a value of type {kind.__name__}; found {text!r}.")
    return value


RECIPES: Registry[Recipe] = Registry("recipe")

RECIPES.register("cifar10")(
    Recipe("CIFAR-10 as in the AutoLA paper: ResNet-20/32/56, width 16; cutout=16 is its option", data="cifar10")
)
RECIPES.register("cifar10-short")(
    Recipe(
        "CIFAR-10 on a budget: the data and augmentation of cifar10, 12 epochs of batch 256, the first a warm-up",
        data="cifar10",
        epochs=12,
        warmup_epochs=1.0,
        normalize="cifar10",
    )
)
RECIPES.register("cifar100")(
    Recipe("CIFAR-100 as in the AutoLA paper: base width 64, batch 128", data="cifar100", width=64, batch_size=128)
)
RECIPES.register("imagenet")(
    Recipe(
        "ImageNet as in the AutoLA paper: ResNet-18/34/50/101 and wide ones at 224 pixels",
        data="imagenet",
        test_split="val",
        backbone="resnet50",
        epochs=100,
        weight_decay=1e-4,
        schedule="step",
        crop_padding=0,
        random_resized_crop=224,
    )
)
RECIPES.register("cluttered-digits")(
    Recipe(
        "the embedded ClutteredDigits, minutes on a laptop: the recipe of the demo checkpoints",
        data="cluttered-digits",
        epochs=8,
        batch_size=128,
        warmup_epochs=0.5,
        crop_padding=2,
        flip=False,
    )
)
