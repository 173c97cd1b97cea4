"""Recipes of a search as data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from autola_analysis.core.errors import OptionError
from autola_analysis.core.registry import Registry
from autola_analysis.training.plan import check_signs, overridden
from autola_analysis.training.recipes import Recipe

BETAS = (0.5, 0.999)
"""Of Adam on alpha, as in DARTS and the authors' code."""


@dataclass(frozen=True)
class SearchRecipe:
    """Everything that decides a search, apart from its order and seed. Defaults are the AutoLA authors'.

    Attributes:
        description: One line for ``list search-recipes``.
        data: Source of the images, as ``--data`` takes it; its training split is divided into two halves.
        test_split: Split that the finished search is measured on; nothing is chosen by it.
        backbone: Default backbone.
        width: Base width of the network; 0 leaves the backbone's own.
        epochs: Passes over the halves.
        batch_size: Images per step, of either half.
        learning_rate: Of the weights in the first epoch; falls by a cosine, once per epoch.
        final_learning_rate: What the cosine ends at.
        momentum: Of stochastic gradient descent on the weights.
        weight_decay: On all weights.
        clip_norm: Largest norm of the weights' gradient.
        alpha_learning_rate: Of Adam on alpha.
        alpha_decay: Weight decay on alpha, added to its gradient.
        alpha_from_epoch: First epoch, counted from 0, in which alpha moves.
        crop_padding: Zero padding in pixels before a random crop of the original size; 0 for none.
        flip: Whether images are mirrored at random.
        normalize: As in a recipe of a training.
        evaluated_images: Images of the architecture's half that the network is evaluated on after every epoch.
        curvature_every: Epochs from one measurement of the loss's curvature in alpha to the next, each worth some 400
            forwards of a batch; 0 for none.

    Raises:
        OptionError: If a value is out of its range.
    """

    description: str
    data: str
    test_split: str = "test"
    backbone: str = "resnet20"
    width: int = 0
    epochs: int = 50
    batch_size: int = 128
    learning_rate: float = 0.025
    final_learning_rate: float = 1e-4
    momentum: float = 0.9
    weight_decay: float = 5e-4
    clip_norm: float = 5.0
    alpha_learning_rate: float = 3e-3
    alpha_decay: float = 1e-3
    alpha_from_epoch: int = 0
    crop_padding: int = 4
    flip: bool = True
    normalize: str = ""
    evaluated_images: int = 5000
    curvature_every: int = 2

    def __post_init__(self) -> None:
        check_signs(
            self,
            positive=("epochs", "batch_size", "learning_rate", "clip_norm", "alpha_learning_rate", "evaluated_images"),
            not_negative=(
                "final_learning_rate",
                "momentum",
                "weight_decay",
                "alpha_decay",
                "alpha_from_epoch",
                "curvature_every",
            ),
        )
        if self.alpha_from_epoch >= self.epochs:
            raise OptionError(
                f"alpha_from_epoch must be less than epochs, or alpha never moves; found {self.alpha_from_epoch} and "
                f"{self.epochs}."
            )
        images_of(self)

    def learning_rate_of(self, epoch: int) -> float:
        """Return the learning rate of the weights in an epoch, counted from 0."""
        half = (self.learning_rate - self.final_learning_rate) / 2
        return self.final_learning_rate + half * (1 + math.cos(math.pi * epoch / self.epochs))

    def overridden(self, values: Mapping[str, str]) -> SearchRecipe:
        """Return a copy with some values replaced, given as text the way a command line has them.

        Raises:
            OptionError: If a key is unknown or a value does not have the key's type.
        """
        return overridden(self, values)

    def to_dict(self) -> dict[str, Any]:
        """Return the values as a JSON-ready dictionary."""
        return asdict(self)


def images_of(recipe: SearchRecipe) -> Recipe:
    """Return the recipe of a training on the same images, with the same augmentation."""
    return Recipe(
        recipe.description,
        recipe.data,
        test_split=recipe.test_split,
        backbone=recipe.backbone,
        width=recipe.width,
        batch_size=recipe.batch_size,
        crop_padding=recipe.crop_padding,
        flip=recipe.flip,
        normalize=recipe.normalize,
    )


SEARCH_RECIPES: Registry[SearchRecipe] = Registry("search recipe")

SEARCH_RECIPES.register("cifar10")(
    SearchRecipe("CIFAR-10 in a ResNet-20, as the AutoLA paper says; the numbers are those of its code", data="cifar10")
)
SEARCH_RECIPES.register("cifar100")(
    SearchRecipe("CIFAR-100 at base width 64: ours, the paper searches on CIFAR-10 alone", data="cifar100", width=64)
)
SEARCH_RECIPES.register("cifar10-as-released")(
    SearchRecipe(
        "cifar10 in the backbone of the authors' released code, of 34 layers; its other differences are not reproduced",
        data="cifar10",
        backbone="autola_resnet34",
    )
)
SEARCH_RECIPES.register("cluttered-digits")(
    SearchRecipe(
        "the embedded ClutteredDigits, minutes on a laptop: shows how a search runs and proves nothing",
        data="cluttered-digits",
        backbone="resnet8",
        epochs=4,
        batch_size=64,
        alpha_learning_rate=0.05,
        crop_padding=2,
        flip=False,
        curvature_every=0,  # its 18 steps an epoch cost a fifth of one measurement
    )
)
