"""A detector that finds red and green rectangles exactly, and a source of them."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN

from autola_analysis.analyses.observation import Reading
from autola_analysis.core.objects import Objects
from autola_analysis.data.object_source import ObjectSource
from autola_analysis.data.source import hash_of
from autola_analysis.inference.run import Settings

READING = Reading(Settings(device="cpu", quiet=True), batch_size=2)


class FindsColours(GeneralizedRCNN):
    """Label 1 where red is, label 2 where green is; every box is moved by some pixels.

    Args:
        off: Pixels by which boxes are moved to the right.
        classes: That its head is said to have.
    """

    def __init__(self, off: float = 0.0, classes: int = 2) -> None:
        nn.Module.__init__(self)
        self.off = nn.Parameter(torch.tensor(off))
        self.roi_heads = nn.Module()
        self.roi_heads.box_predictor = nn.Module()
        self.roi_heads.box_predictor.cls_score = nn.Linear(1, classes + 1)

    def forward(self, images: Sequence[Tensor], targets: None = None) -> list[dict[str, Tensor]]:
        return [self._found(image) for image in images]

    def _found(self, image: Tensor) -> dict[str, Tensor]:
        boxes, labels = [], []
        for channel in (0, 1):
            rows, columns = torch.where(image[channel] > 0.5)
            if len(rows):
                corners = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
                boxes.append(torch.stack(corners).float() + self.off * torch.tensor([1.0, 0, 1, 0]))
                labels.append(channel + 1)
        scores = torch.linspace(0.9, 0.8, len(labels))
        return {
            "boxes": torch.stack(boxes) if boxes else torch.empty(0, 4),
            "labels": torch.tensor(labels, dtype=torch.int64),
            "scores": scores,
        }


class Rectangles(ObjectSource):
    """Images of two sizes with a red rectangle, every second one with a green one too."""

    name, split, classes, category_ids = "rectangles", "test", ("red", "green"), (3, 8)

    def __init__(self, length: int = 7) -> None:
        self.ids = [f"image {number}" for number in range(length)]
        self.image_ids = np.arange(length) + 100
        self.sizes = np.array([[32, 24] if number % 3 else [24, 32] for number in range(length)], dtype=np.int64)

    def image(self, index: int) -> Image.Image:
        width, height = (int(side) for side in self.sizes[index])
        pixels = np.zeros((height, width, 3), dtype=np.uint8)
        objects = self.objects(index)
        for box, label in zip(objects.boxes.astype(int), objects.labels, strict=True):
            pixels[box[1] : box[3], box[0] : box[2], label] = 255
        return Image.fromarray(pixels)

    def objects(self, index: int) -> Objects:
        boxes = np.array([[index % 5, 2, index % 5 + 10, 9], [4, 12, 14, 20]][: 1 + index % 2], dtype=np.float64)
        count = len(boxes)
        areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
        return Objects(boxes, np.arange(count), areas, np.zeros(count, dtype=np.bool_), 10 * index + np.arange(count))

    def object_mask(self, index: int, number: int) -> None:
        return None

    def fingerprint(self) -> str:
        return hash_of(f"rectangles {len(self)}")
