"""The training of a network for joints, made ready to run."""

from __future__ import annotations

from typing import Any

from autola_analysis.attention.registry import AttentionFactory
from autola_analysis.core.errors import DataError
from autola_analysis.data.person_crops import PersonCrops, joints_of, placed_joints_of
from autola_analysis.data.preprocessing import IMAGENET_STATISTICS
from autola_analysis.data.workers import SupervisedLoader
from autola_analysis.detectors import DetectorSpec
from autola_analysis.training.batches import EpochBatches
from autola_analysis.training.detection.images import open_object_splits
from autola_analysis.training.detection.job import as_they_are
from autola_analysis.training.images import KEPT_BYTES
from autola_analysis.training.initial import trunk_of
from autola_analysis.training.job import Job, loader_options, public_name, seed_everything, spec_that_fits
from autola_analysis.training.pose.images import AugmentedPeople, EvaluatedPeople
from autola_analysis.training.pose.module import PoseTraining
from autola_analysis.training.pose.recipes import PoseRecipe
from autola_analysis.training.settings import Machine, Training, build_with


def prepare(training: Training, attention: AttentionFactory, machine: Machine) -> Job:
    """Open the people of a training and build its network from its seed.

    Raises:
        OptionError: If an option is not possible, or the network does not fit into memory.
        DataError: If the data are not there, have no joints, or do not say how precisely these can be placed.
        CheckpointError: If the backbone cannot be taken from a file that was named.
    """
    recipe = training.recipe
    assert isinstance(recipe, PoseRecipe)
    train, test = open_object_splits(training.data or recipe.data, recipe.test_split, training.coco)
    if joints_of(train) != joints_of(test):
        raise DataError(f"{train.name} and {test.name} have different joints; give two parts of one data set.")
    joints = placed_joints_of(train, "average precision needs")
    spec = spec_that_fits(training, len(joints.names), attention, machine)
    assert isinstance(spec, DetectorSpec)
    seed_everything(training)
    model = build_with(spec, attention)
    trunk_of(model, "backbone", spec, training, attention)
    size: tuple[int, int] = model.input_size  # type: ignore[assignment]
    people, tested = PersonCrops(train, size), PersonCrops(test, size)
    options = loader_options(machine)
    batches = EpochBatches(len(people), recipe.batch_size, training.seed, "train")
    images = AugmentedPeople(people, recipe, KEPT_BYTES // max(machine.workers, 1))
    loaders = (
        SupervisedLoader(images, sampler=batches, batch_size=None, **options),
        SupervisedLoader(EvaluatedPeople(tested), batch_size=recipe.batch_size, collate_fn=as_they_are, **options),
    )
    known: dict[str, Any] = {
        "classes": joints.names,
        "preprocessing": IMAGENET_STATISTICS,
        "source": public_name(train),
    }
    module = PoseTraining(model, IMAGENET_STATISTICS, recipe, len(batches), tested)
    return Job(module, loaders, spec, known, {"images": people.fingerprint()})
