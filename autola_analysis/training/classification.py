"""The training of a classifier."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import BatchSampler, RandomSampler

from autola_analysis.attention.registry import AttentionFactory
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.data.source import ImageSource
from autola_analysis.data.workers import SupervisedLoader
from autola_analysis.training.data import open_splits, preprocessing_of
from autola_analysis.training.images import KEPT_BYTES, AugmentedImages, PreprocessedImages, cutout
from autola_analysis.training.job import Job, Loaders, loader_options, public_name, seed_everything, spec_that_fits
from autola_analysis.training.module import NetworkTraining
from autola_analysis.training.recipes import MEASURE, Recipe
from autola_analysis.training.settings import Machine, Training, build_with


class ClassifierTraining(NetworkTraining):
    """Cross-entropy training under a recipe.

    Args:
        model: The network.
        preprocessing: Standardises the uint8 batches.
        recipe: Optimiser, schedule, cutout.
        steps_per_epoch: To turn steps into epochs for the schedule.
    """

    def __init__(self, model: nn.Module, preprocessing: Preprocessing, recipe: Recipe, steps_per_epoch: int) -> None:
        super().__init__(model, recipe, steps_per_epoch)
        self.preprocessing = preprocessing
        self.recipe = recipe

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of a uint8 batch ``(B, 3, H, W)``."""
        return self.model(self._standardised(images))

    def _standardised(self, images: Tensor) -> Tensor:
        return self.preprocessing.normalize(images).contiguous(memory_format=self.memory_format)

    def loss(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Return the mean cross-entropy of images ``(B, 3, H, W)`` and labels ``(B,)``."""
        images, labels = batch
        inputs = self._standardised(images)
        if self.recipe.cutout:
            inputs = cutout(inputs, self.recipe.cutout)
        return F.cross_entropy(self.model(inputs), labels)

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> None:
        """Log the accuracy of one batch of the test split."""
        images, labels = batch
        correct = (self(images).argmax(1) == labels).float().mean()
        self.log("accuracy", correct, prog_bar=True, batch_size=len(labels))


def prepare(training: Training, attention: AttentionFactory, machine: Machine) -> Job:
    """Open the images of a training and build its network from its seed.

    Raises:
        OptionError: If a folder does not hold both splits, there are no statistics, or the network does not fit.
        DataError: If the data are not there, or the splits have other classes.
    """
    recipe = training.recipe
    assert isinstance(recipe, Recipe)
    train, test = open_splits(training.data or recipe.data, recipe.test_split, training.coco)
    spec = spec_that_fits(training, len(train.classes), attention, machine)
    preprocessing = preprocessing_of(recipe, train, machine.workers, machine.quiet)
    seed_everything(training)
    loaders = _loaders(train, test, preprocessing, recipe, machine)
    module = ClassifierTraining(build_with(spec, attention), preprocessing, recipe, len(loaders[0]))
    facts: dict[str, Any] = {"images": train.fingerprint()}
    if recipe.normalize == MEASURE:
        facts |= {"mean": list(preprocessing.mean), "std": list(preprocessing.std)}
    known = {"classes": train.classes, "preprocessing": preprocessing, "source": public_name(train)}
    return Job(module, loaders, spec, known, facts)


def _loaders(
    train: ImageSource, test: ImageSource, preprocessing: Preprocessing, recipe: Recipe, machine: Machine
) -> Loaders:
    options = loader_options(machine)
    train_images = AugmentedImages(train, recipe, KEPT_BYTES // max(machine.workers, 1))
    drop_last = len(train_images) > recipe.batch_size
    batches = BatchSampler(RandomSampler(train_images), recipe.batch_size, drop_last)
    return (
        SupervisedLoader(train_images, sampler=batches, batch_size=None, **options),
        SupervisedLoader(PreprocessedImages(test, preprocessing), batch_size=recipe.batch_size, **options),
    )
