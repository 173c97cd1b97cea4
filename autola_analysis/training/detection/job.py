"""The training of a detector of boxes, made ready to run."""

from __future__ import annotations

from typing import Any, TypeVar

from autola_analysis.attention.registry import AttentionFactory
from autola_analysis.core.errors import OptionError
from autola_analysis.data.workers import SupervisedLoader
from autola_analysis.detectors import DetectorSpec
from autola_analysis.inference.tasks.detection import input_of
from autola_analysis.training.batches import EpochBatches
from autola_analysis.training.detection.images import (
    AugmentedObjects,
    EvaluatedImages,
    open_object_splits,
    with_objects,
)
from autola_analysis.training.detection.module import DetectorTraining
from autola_analysis.training.detection.recipes import DetectionRecipe
from autola_analysis.training.images import KEPT_BYTES
from autola_analysis.training.initial import trunk_of
from autola_analysis.training.job import Job, loader_options, public_name, seed_everything, spec_that_fits
from autola_analysis.training.settings import Machine, Training, build_with

T = TypeVar("T")


def prepare(training: Training, attention: AttentionFactory, machine: Machine) -> Job:
    """Open the images of a training and build its detector from its seed.

    Raises:
        OptionError: If stages are frozen that nobody has trained, an option is not possible, or the network does not
            fit into memory.
        DataError: If the data are not there, or have no objects or no classes.
        CheckpointError: If the backbone cannot be taken from a file that was named.
    """
    recipe = training.recipe
    assert isinstance(recipe, DetectionRecipe)
    if training.init is None and (recipe.frozen_stages or recipe.norm_eval):
        raise OptionError(
            f"{training.recipe_name} leaves parts of the backbone as they are (frozen_stages={recipe.frozen_stages}, "
            f"norm_eval={str(recipe.norm_eval).lower()}), and they would stay random, attention included; give --init "
            "FILE with a trained classifier, or --set frozen_stages=0 --set norm_eval=false."
        )
    whole, test = open_object_splits(training.data or recipe.data, recipe.test_split, training.coco)
    spec = spec_that_fits(training, len(whole.classes), attention, machine)
    assert isinstance(spec, DetectorSpec)
    train = with_objects(whole, recipe)
    seed_everything(training)
    model = build_with(spec, attention)
    trunk = trunk_of(model, "backbone.body", spec, training, attention)
    preprocessing, options = input_of(model), loader_options(machine)
    images = AugmentedObjects(train, recipe, preprocessing, KEPT_BYTES // max(machine.workers, 1))
    batches = EpochBatches(len(train), recipe.batch_size, training.seed, "train")
    tested = EvaluatedImages(test, preprocessing)
    loaders = (
        SupervisedLoader(images, sampler=batches, batch_size=None, **options),
        SupervisedLoader(tested, batch_size=recipe.batch_size, collate_fn=as_they_are, **options),
    )
    known: dict[str, Any] = {
        "classes": whole.classes,
        "category_ids": whole.category_ids,
        "preprocessing": preprocessing,
        "source": public_name(whole),
    }
    module = DetectorTraining(model, trunk, recipe, len(batches), test)
    return Job(module, loaders, spec, known, {"images": train.fingerprint()})


def as_they_are(items: list[T]) -> list[T]:
    """Return the items of a batch: images of different sizes make no array."""
    return items
