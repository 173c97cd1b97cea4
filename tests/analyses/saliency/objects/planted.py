"""A detector whose evidence is known, and images of coloured squares for it."""

from collections import OrderedDict

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.models.detection.ssd import SSDHead

from autola_analysis.analyses.variants import Variant
from autola_analysis.core.objects import Objects
from autola_analysis.data.object_source import ObjectSource
from autola_analysis.data.source import hash_of
from autola_analysis.detectors.default_boxes import DefaultBoxes
from autola_analysis.detectors.ssd import SSD300

SIDE, CELL = 64, 8
RED, BLUE = 0, 1
AWAY = 3
"""Cells by which what tells of a blue square lies to its left"""
LAYER = "backbone.body.layer1"


class Patches(nn.Module):
    """Cells of 8 pixels that hold their mean red, and a second map of it that is moved to the right."""

    def __init__(self) -> None:
        super().__init__()
        self.out_channels = [2]
        self.body = nn.Module()
        self.body.layer1 = nn.Sequential(nn.Conv2d(3, 1, CELL, stride=CELL, bias=False), nn.ReLU())
        self.moved = nn.Conv2d(1, 2, (1, 2 * AWAY + 1), padding=(0, AWAY), bias=False)
        with torch.no_grad():
            self.body.layer1[0].weight.zero_()[0, 0] = 1 / CELL**2
            self.moved.weight.zero_()[RED, 0, 0, AWAY] = 1
            self.moved.weight[BLUE, 0, 0, 0] = 1

    def forward(self, x: Tensor) -> OrderedDict[str, Tensor]:
        return OrderedDict({"0": self.moved(self.body.layer1(x))})


def planted(flip: bool = False) -> Variant:
    """SSD that finds red squares by their red, and blue squares by red squares three cells to their left.

    Args:
        flip: Whether its labels are in the other order, which their names say.
    """
    boxes = DefaultBoxes(SIDE, [CELL], [CELL, CELL], [[]])
    head = SSDHead([2], boxes.num_anchors_per_location(), 3)
    for each in head.parameters():
        nn.init.zeros_(each)
    reader = head.classification_head.module_list[0]
    order = (BLUE, RED) if flip else (RED, BLUE)
    with torch.no_grad():
        for label, channel in enumerate(order, start=1):
            reader.weight[label, channel, 1, 1] = 20
            reader.bias[label::3] = -10
    model = SSD300(
        Patches(), boxes, (SIDE, SIDE), 3, head=head, image_mean=[0.0] * 3, image_std=[1.0] * 3, score_thresh=0.05
    ).eval()
    return Variant(model, "flipped" if flip else "planted", classes=tuple(("red", "blue")[each] for each in order))


class Squares(ObjectSource):
    """Images with a red square, a blue one three cells to its right, and, in every second, another red one below.

    Args:
        length: Number of images.
        masks: Whether the masks of the objects are known.
        large: Factor by which stored images are larger than the network's.
    """

    name, split, classes, category_ids = "squares", "test", ("red", "blue"), (1, 2)

    def __init__(self, length: int = 4, masks: bool = True, large: int = 1) -> None:
        self.ids = [f"square {number}" for number in range(length)]
        self.image_ids = np.arange(length)
        self.sizes = np.full((length, 2), SIDE * large)
        self._masks, self._large = masks, large

    def image(self, index: int) -> Image.Image:
        pixels = np.zeros((SIDE, SIDE, 3), dtype=np.uint8)
        for (x1, y1, x2, y2), label in zip(self._boxes(index), self._labels(index), strict=True):
            pixels[y1:y2, x1:x2, 2 if label == BLUE else 0] = 255
        return Image.fromarray(pixels.repeat(self._large, 0).repeat(self._large, 1))

    def objects(self, index: int) -> Objects:
        boxes = self._large * self._boxes(index).astype(np.float64)
        count = len(boxes)
        areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
        return Objects(boxes, self._labels(index), areas, np.zeros(count, np.bool_), np.arange(count))

    def object_mask(self, index: int, number: int) -> np.ndarray | None:
        if not self._masks:
            return None
        x1, y1, x2, y2 = self.objects(index).boxes[number].astype(int)
        mask = np.zeros((SIDE * self._large,) * 2, dtype=np.bool_)
        mask[y1:y2, x1:x2] = True
        return mask

    def fingerprint(self) -> str:
        return hash_of(f"squares {len(self)} {self._masks} {self._large}")

    def _labels(self, index: int) -> np.ndarray:
        return np.array([RED, BLUE, RED][: 2 + index % 2], dtype=np.int64)

    def _boxes(self, index: int) -> np.ndarray:
        cells = [(1 + index % 2, 1), (1 + index % 2 + AWAY, 1), (1, 5)][: 2 + index % 2]
        corners = CELL * np.array(cells)
        return np.concatenate([corners, corners + CELL], 1)
