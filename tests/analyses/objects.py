"""Tiny detectors, and images of coloured rectangles for them."""

import numpy as np
import torch
from PIL import Image

from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.variants import Variant
from autola_analysis.core.objects import Objects
from autola_analysis.data.object_source import ObjectSource
from autola_analysis.data.source import ImageSource, hash_of
from autola_analysis.detectors import create_detector
from autola_analysis.inference.run import Settings
from tests.detectors.helpers import SMALL, TINY, TINY_SSD

QUIET = Reading(Settings(device="cpu", fold=False, quiet=True), batch_size=3)
CLASSES = ("red", "green", "blue")
NUMBERS = {"ssd300": TINY_SSD, "faster-rcnn": {**TINY, **SMALL}}


def detector(
    kind: str = "ssd300", attention: str = "none", seed: int = 0, name: str = "model", run: str = "1"
) -> Variant:
    torch.manual_seed(seed)
    model = create_detector(kind, attention=attention, classes=len(CLASSES), **NUMBERS[kind]).eval()
    if kind == "faster-rcnn":
        model.rpn._post_nms_top_n["testing"] = 10  # so that little time goes to proposals
    return Variant(model, name, run, classes=CLASSES)


class Shapes(ObjectSource):
    """Noisy images of two sizes with one to three rectangles, each of its class's colour.

    Args:
        length: Number of images.
        whole: Whether there is one object in each, which fills the image.
    """

    name, split, classes, category_ids = "shapes", "test", CLASSES, (1, 2, 3)

    def __init__(self, length: int = 30, whole: bool = False) -> None:
        self.ids = [f"shape {number}" for number in range(length)]
        self.image_ids = np.arange(length)
        self.sizes = np.array([[48, 40] if number % 4 else [40, 56] for number in range(length)])
        self._whole = whole

    def image(self, index: int) -> Image.Image:
        width, height = (int(side) for side in self.sizes[index])
        generator = np.random.default_rng([index, 1])
        pixels = generator.integers(0, 90, (height, width, 3), dtype=np.uint8)
        objects = self.objects(index)
        for box, label in zip(objects.boxes.round().astype(int), objects.labels, strict=True):
            pixels[box[1] : box[3], box[0] : box[2], label] += 120
        return Image.fromarray(pixels)

    def objects(self, index: int) -> Objects:
        generator = np.random.default_rng(index)
        count = 1 if self._whole else 1 + index % 3
        corners = np.sort(generator.uniform(0.05, 0.95, (count, 2, 2)), axis=1)
        corners[:, 1] += 0.04
        boxes = corners.reshape(count, 4) * np.tile(self.sizes[index], 2)
        if self._whole:
            boxes = np.array([[0.0, 0, *self.sizes[index]]])
        labels = (index + np.arange(count)) % len(CLASSES)
        areas = (boxes[:, 2:] - boxes[:, :2]).prod(1) * (1 + labels)  # as masks of larger images would have them
        return Objects(boxes, labels, areas, np.zeros(count, np.bool_), 10 * index + np.arange(count))

    def object_mask(self, index: int, number: int) -> None:
        return None

    def fingerprint(self) -> str:
        return hash_of(f"shapes {len(self)} {self._whole}")


class Whole(ImageSource):
    """The images of shapes that are wholly one object, labelled with its class."""

    name, split, classes = "whole shapes", "test", CLASSES

    def __init__(self, length: int = 30) -> None:
        self._shapes = Shapes(length, whole=True)
        self.ids = self._shapes.ids
        self.labels = np.array([int(self._shapes.objects(index).labels[0]) for index in range(length)])

    def image(self, index: int) -> Image.Image:
        return self._shapes.image(index)

    def fingerprint(self) -> str:
        return hash_of(f"whole shapes {len(self)}")
