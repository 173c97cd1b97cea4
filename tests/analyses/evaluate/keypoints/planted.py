"""People whose joints are coloured dots, and a network that finds dots of a colour."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from autola_analysis.analyses.observation import Reading
from autola_analysis.core.objects import JointSet, Objects
from autola_analysis.data.object_source import ObjectSource
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.data.source import hash_of
from autola_analysis.inference.run import Settings

READING = Reading(Settings(device="cpu", quiet=True), batch_size=3)
JOINTS = JointSet(("head", "left_hand", "right_hand"), ((1, 2),), ((0, 1),), (0.1, 0.1, 0.1))
AS_IT_IS = Preprocessing()


class FindsDots(nn.Module):
    """A heat map per colour: the mean over each cell's surroundings, moved by some cells.

    A joint of a mirrored image is put into the map of the other side, as a trained network does.

    Args:
        off: Cells by which all maps are moved to the right.
        joints: Number of maps.
    """

    task = "keypoints"
    input_size = (64, 64)

    def __init__(self, off: int = 0, joints: int = 3) -> None:
        super().__init__()
        self.off, self.joints = off, joints
        self.blur = nn.Conv2d(1, 1, 9, stride=2, padding=4, bias=False)
        across = torch.arange(-4.0, 5) ** 2
        self.blur.weight.data = torch.exp(-(across[:, None] + across) / 8)[None, None] / 10

    def forward(self, images: Tensor) -> Tensor:
        maps = self.blur(images.flatten(0, 1)[:, None])[:, 0].unflatten(0, images.shape[:2])
        moved = torch.roll(maps, self.off, -1)
        return moved if self.joints == 3 else moved.repeat(1, 2, 1, 1)[:, : self.joints]


class Dots(ObjectSource):
    """Black images with one or two people of three dots: red, green, blue. The last image has nobody with joints."""

    name, split, classes, category_ids = "dots", "test", ("person",), (1,)
    joints = JOINTS

    def __init__(self, length: int = 5) -> None:
        self.ids = [f"image {number}" for number in range(length)]
        self.image_ids = np.arange(length) + 50
        self.sizes = np.tile(np.array([[140, 90]], dtype=np.int64), (length, 1))

    def image(self, index: int) -> Image.Image:
        pixels = np.zeros((90, 140, 3), dtype=np.uint8)
        for person in self.objects(index).keypoints:
            for channel, (x, y, seen) in enumerate(person):
                if seen:
                    pixels[int(y) - 1 : int(y) + 2, int(x) - 1 : int(x) + 2, channel] = 255
        return Image.fromarray(pixels)

    def objects(self, index: int) -> Objects:
        count = 1 + index % 2
        boxes = np.array([[10.0, 10, 61, 61], [80, 20, 131, 71]])[:count]
        corner = boxes[:, None, :2]
        keypoints = np.zeros((count, 3, 3))
        keypoints[..., :2] = corner + np.array([[25, 8 + index], [40, 30], [10 + 2 * index, 35]])
        keypoints[..., 2] = 2
        if index == len(self) - 1:
            keypoints[:] = 0
        elif index == 2:
            keypoints[:, 2] = 0  # one joint that is not labelled
        areas = np.full(count, 51.0**2)
        crowd = np.zeros(count, dtype=np.bool_)
        return Objects(boxes, np.zeros(count, np.int64), areas, crowd, 10 * index + np.arange(count), keypoints)

    def object_mask(self, index: int, number: int) -> None:
        return None

    def fingerprint(self) -> str:
        return hash_of(f"dots {len(self)}")
