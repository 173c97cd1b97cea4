"""Images with objects as a detector is trained and tested on them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from autola_analysis.core.errors import DataError, OptionError
from autola_analysis.core.objects import Objects
from autola_analysis.data.object_source import ObjectSource
from autola_analysis.data.open_objects import CocoOptions, open_objects
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.data.subset import limit, part_of
from autola_analysis.training.batches import BatchPlan
from autola_analysis.training.data import TRAIN, opened
from autola_analysis.training.detection.augmentation import BoxedImage, cropped, mirrored, recoloured
from autola_analysis.training.detection.recipes import DetectionRecipe
from autola_analysis.training.images import Kept

OWN_FILE = "objects:"
Target = dict[str, Tensor]
"""As torchvision's detectors take it: ``boxes`` in pixels ``(n, 4)`` and ``labels`` from 1 on ``(n,)``"""


class Batch(NamedTuple):
    """Images of one training step.

    Attributes:
        images: uint8 ``(3, H, W)`` each.
        targets: Their objects.
        seed: Of the random numbers that the step draws.
    """

    images: list[Tensor]
    targets: list[Target]
    seed: int


def open_object_splits(data: str, test_split: str, coco: CocoOptions) -> tuple[ObjectSource, ObjectSource]:
    """Open the split to train on and the split to test on.

    Args:
        data: As ``--data`` takes it; own files are given as a pair, ``objects:TRAIN.json,TEST.json``.
        test_split: Name of the split to test on.
        coco: What was said of data in COCO's format.

    Raises:
        OptionError: If one file of objects is given.
        DataError: If the data are not there, have other classes, or none.
    """
    if data.startswith(OWN_FILE):
        files = data.removeprefix(OWN_FILE).split(",")
        if len(files) != 2:
            raise OptionError(
                "training reads a file to train on and one to test on; write --data objects:TRAIN.json,TEST.json, "
                f"found {data}."
            )
        train, test = (opened(open_objects, OWN_FILE + file, None, coco) for file in files)
    else:
        train, test = (opened(open_objects, data, split, coco) for split in (TRAIN, test_split))
    if not train.classes:
        raise DataError(f"{train.name} names no classes, and a detector tells at least one; add categories to it.")
    if train.classes != test.classes:
        raise DataError(
            f"{train.name} and {test.name} have different classes; give two parts of one data set, with the same "
            "categories."
        )
    return train, test


def with_objects(source: ObjectSource, recipe: DetectionRecipe) -> ObjectSource:
    """Return the images of a training split that are trained on: of those asked for, the ones with an object.

    Raises:
        DataError: If there is none.
    """
    some = limit(source, recipe.images) if recipe.images else source
    assert isinstance(some, ObjectSource)
    kept = [index for index in range(len(some)) if len(trained_on(some.objects(index), recipe))]
    if not kept:
        raise DataError(f"no image of {source.name} has an object to train on; give data with annotated objects.")
    part = some if len(kept) == len(some) else part_of(some, kept)
    assert isinstance(part, ObjectSource)
    return part


def trained_on(objects: Objects, recipe: DetectionRecipe) -> NDArray[np.int64]:
    """Return the indices of the objects that a recipe trains on: those with an area, and crowds where it says so."""
    sides = objects.boxes[:, 2:] - objects.boxes[:, :2]
    return np.flatnonzero((sides > 0).all(1) & (recipe.crowds | ~objects.crowd))


class AugmentedObjects(Dataset[Batch]):
    """Batches of images with objects under a recipe's augmentation, random numbers as their plan says.

    Args:
        source: The training split, see `with_objects`.
        recipe: Says which augmentation.
        preprocessing: Brings augmented images to size.
        kept_bytes: Decoded images are kept up to this size.
    """

    def __init__(
        self, source: ObjectSource, recipe: DetectionRecipe, preprocessing: Preprocessing, kept_bytes: int
    ) -> None:
        self.source = source
        self.recipe = recipe
        self.preprocessing = preprocessing
        self._pixels = Kept(self._decoded, kept_bytes)
        self._objects: dict[int, Objects] = {}

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, plan: BatchPlan) -> Batch:
        generator = np.random.default_rng(plan.seed)
        made = [self._augmented(index, generator) for index in plan.indices]
        return Batch([image for image, _ in made], [target for _, target in made], plan.seed)

    def _augmented(self, index: int, generator: np.random.Generator) -> tuple[Tensor, Target]:
        pixels = self._pixels(index)
        if index not in self._objects:
            self._objects[index] = self.source.objects(index)
        objects = self._objects[index]
        own = trained_on(objects, self.recipe)
        image = BoxedImage(pixels, objects.boxes[own], objects.labels[own])
        image = cropped(image, generator) if self.recipe.crop else image
        image = mirrored(image, generator) if self.recipe.flip else image
        height, width = image.pixels.shape[:2]
        tensor = self.preprocessing.geometry(Image.fromarray(image.pixels))
        tensor = recoloured(tensor, generator) if self.recipe.colour else tensor
        scale = np.array([tensor.shape[2] / width, tensor.shape[1] / height] * 2)
        boxes = torch.from_numpy((image.boxes * scale).astype(np.float32))
        return tensor, {"boxes": boxes, "labels": torch.from_numpy(image.labels + 1)}

    def _decoded(self, index: int) -> NDArray[np.uint8]:
        return np.asarray(self.source.image(index).convert("RGB"))


class EvaluatedImages(Dataset[tuple[int, Tensor]]):
    """The images of a source as evaluation sees them, with their number: ``(index, uint8 (3, H, W))``.

    Args:
        source: Of the images.
        preprocessing: Gives its geometry.
    """

    def __init__(self, source: ObjectSource, preprocessing: Preprocessing) -> None:
        self.source = source
        self.preprocessing = preprocessing

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> tuple[int, Tensor]:
        return index, self.preprocessing.geometry(self.source.image(index))
