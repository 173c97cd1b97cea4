"""Images whose class is coded in the background and in the object alike, and networks that read one of the two."""

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from autola_analysis.analyses.observation import Reading
from autola_analysis.data import ImageSource, Preprocessing
from autola_analysis.inference.run import Settings

READING = Reading(Settings(device="cpu", quiet=True), batch_size=7)
SIDE = 12
BRIGHT, DARK = (240, 120, 120), (60, 0, 0)


class Planted(ImageSource):
    """A square in the middle on a plain background: its colour channel says the class, and so does the background's.

    Args:
        length: Number of images; the three classes take turns.
        masks: Whether the source knows where the squares are.
        widths: Widths of the images, taken in turn.
    """

    name, split, classes = "planted", "test", ("red", "green", "blue")
    preprocessing: Preprocessing | None = Preprocessing()

    def __init__(self, length: int = 12, masks: bool = True, widths: tuple[int, ...] = (SIDE,)) -> None:
        self.labels = np.arange(length, dtype=np.int64) % 3
        self.ids = [f"image {number}" for number in range(length)]
        self.masks = masks
        self.widths = widths

    def image(self, index: int) -> Image.Image:
        label = int(self.labels[index])
        where = self.where(index)
        pixels = np.where(where[:, :, None], np.roll(DARK, label), np.roll(BRIGHT, label))
        return Image.fromarray(pixels.astype(np.uint8))

    def where(self, index: int) -> NDArray[np.bool_]:
        mask = np.zeros((SIDE, self.widths[index % len(self.widths)]), dtype=bool)
        mask[4:8, 4:8] = True
        return mask

    def mask(self, index: int) -> NDArray[np.bool_] | None:
        return self.where(index) if self.masks else None

    def fingerprint(self) -> str:
        return f"planted {len(self)} {self.masks} {self.widths}"


class Reader(nn.Module):
    """Ten times the colour of one pixel as logits, relative to its mean.

    Args:
        row: Of the pixel.
        column: Of the pixel.
    """

    def __init__(self, row: int, column: int) -> None:
        super().__init__()
        self.place = row, column
        self.scale = nn.Parameter(torch.tensor(10.0))

    def extra_repr(self) -> str:
        return f"place={self.place}"  # what tells two readers apart in a cache

    def forward(self, x: Tensor) -> Tensor:
        colour = x[:, :, self.place[0], self.place[1]]
        return self.scale * (colour - colour.mean(1, keepdim=True))


def background_reader() -> Reader:
    return Reader(0, 0)


def object_reader() -> Reader:
    return Reader(5, 6)
