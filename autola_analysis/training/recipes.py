"""Recipes by name, and those that train classifiers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import nn

from autola_analysis.backbones import ModelSpec
from autola_analysis.core.errors import OptionError
from autola_analysis.core.registry import Registry
from autola_analysis.data.preprocessing import NORMALIZATIONS
from autola_analysis.training.plan import Plan, check_signs

SCHEDULES = ("cosine", "step")
MEASURE = "measure"
"""In place of a name of statistics: measure those of the training split."""


@dataclass(frozen=True)
class Recipe(Plan):
    """How a classifier is trained: by stochastic gradient descent, with weight decay on all parameters.

    Attributes:
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

    schedule: str = "cosine"
    step_epochs: int = 30
    warmup_epochs: float = 0.0
    crop_padding: int = 4
    random_resized_crop: int = 0
    flip: bool = True
    cutout: int = 0
    normalize: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.schedule not in SCHEDULES:
            raise OptionError(f"schedule is one of {', '.join(SCHEDULES)}; found {self.schedule!r}.")
        check_signs(
            self,
            positive=("step_epochs",),
            not_negative=("warmup_epochs", "crop_padding", "random_resized_crop", "cutout"),
        )
        if self.normalize not in ("", MEASURE):
            NORMALIZATIONS.get(self.normalize)

    def network(self, backbone: ModelSpec, outputs: int) -> ModelSpec:
        """Return the backbone with a head."""
        return replace(backbone, num_classes=outputs)

    def optimizer_of(self, model: nn.Module) -> torch.optim.Optimizer:
        """Return stochastic gradient descent on all parameters."""
        return torch.optim.SGD(
            model.parameters(), self.learning_rate, momentum=self.momentum, weight_decay=self.weight_decay
        )

    def rate_at(self, step: int, steps_per_epoch: int) -> float:
        """Return the learning rate of a step as a share of `learning_rate`."""
        return self.learning_rate_factor(step / steps_per_epoch)

    def outcome(self, metrics: Mapping[str, float]) -> str:
        """Return the accuracy."""
        return f"test accuracy {100 * metrics['accuracy']:.2f} %"

    def learning_rate_factor(self, epoch: float) -> float:
        """Return the learning rate at a (fractional) epoch as a share of `learning_rate`."""
        if epoch < self.warmup_epochs:
            return epoch / self.warmup_epochs
        if self.schedule == "step":
            return 0.1 ** (int(epoch) // self.step_epochs)
        done = (epoch - self.warmup_epochs) / max(self.epochs - self.warmup_epochs, 1e-9)
        return 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


RECIPES: Registry[Plan] = Registry("recipe")

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
