"""Batches of image files that are not decoded yet, for a decoder on another device.

Files that such a decoder may read otherwise than Pillow are decoded here, exactly: it gets whole JPEG files of colour
pictures that lie as they are shown.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import torch
from PIL import ExifTags, Image, JpegImagePlugin
from torch import Tensor
from torch.utils.data import Dataset

from autola_analysis.core.errors import BadImageError
from autola_analysis.data.dataset import Batch, Item, collate
from autola_analysis.data.decoding import check_size
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.data.source import Source
from autola_analysis.data.tensor_geometry import has_tensor_geometry

START_OF_IMAGE, END_OF_IMAGE = b"\xff\xd8", b"\xff\xd9"
UPRIGHT = 1
YCBCR = 1
"""What Adobe's programs write where three components are luminance and colour differences."""
COMPONENTS = [1, 2, 3]
"""Names of such components in JFIF; others may be red, green and blue."""
DAMAGED = (
    OSError,
    ValueError,
    SyntaxError,
    LookupError,
    ArithmeticError,
    TypeError,
    AttributeError,
    struct.error,
    Image.DecompressionBombError,
)
"""What Pillow raises on damaged files."""


@dataclass(frozen=True)
class EncodedImage:
    """A JPEG file in memory.

    Attributes:
        index: Number of the image.
        file: Its bytes, ``(L,)``, uint8.
        pixels: Width times height.
    """

    index: int
    file: Tensor
    pixels: int


@dataclass(frozen=True)
class EncodedBatch:
    """Images of a batch, as files and decoded.

    Attributes:
        indices: Number of every image in the order of the batch, int64 ``(B,)``.
        encoded: Those that a decoder is to decode.
        decoded: The others after the geometry, see `collate`; None where there are none.
    """

    indices: Tensor
    encoded: Sequence[EncodedImage]
    decoded: Batch | None


class EncodedImages(Dataset[EncodedImage | Item]):
    """The images of a source, as files where `is_plain_jpeg`, else as `DecodedImages` has them.

    Args:
        source: Where the images come from.
        preprocessing: Whose geometry is applied.
    """

    def __init__(self, source: Source, preprocessing: Preprocessing) -> None:
        self.source = source
        self.preprocessing = preprocessing
        self._any = has_tensor_geometry(preprocessing)

    def __getitem__(self, index: int) -> EncodedImage | Item:
        file = self._file(index)
        pixels = 0 if file is None else pixels_of_plain_jpeg(file)
        if file is None or not pixels:
            return index, self.preprocessing.geometry(self.source.image(index))
        return EncodedImage(index, torch.frombuffer(bytearray(file), dtype=torch.uint8), pixels)

    def __len__(self) -> int:
        return len(self.source)

    def _file(self, index: int) -> bytes | None:
        try:
            return self.source.file(index) if self._any else None
        except BadImageError:
            return None  # decoding it says why


def pixels_of_plain_jpeg(file: bytes) -> int:
    """Return the number of pixels of a JPEG file that a GPU's decoder may be given; 0 for any other file.

    That is a whole file, not progressive, with 8 bits of luminance and two colour differences, not turned by EXIF data,
    of an accepted size.
    """
    if not (file.startswith(START_OF_IMAGE) and file.endswith(END_OF_IMAGE)):
        return 0
    try:
        with Image.open(BytesIO(file), formats=("JPEG",)) as image:
            check_size(image)
            if image.format != "JPEG" or not isinstance(image, JpegImagePlugin.JpegImageFile):
                return 0  # several pictures in one file
            if image.info.get("progressive"):
                return 0  # a GPU has no circuit for it, and a small file may ask for all pixels again and again
            in_colour = [layer[0] for layer in image.layer] == COMPONENTS
            in_colour &= image.info.get("adobe_transform", YCBCR) == YCBCR
            upright = image.getexif().get(ExifTags.Base.Orientation, UPRIGHT) == UPRIGHT
            return image.width * image.height if in_colour and upright else 0
    except DAMAGED:  # `read_image` says what is wrong with the file
        return 0


def collate_encoded(items: Sequence[EncodedImage | Item], ids: Sequence[str] | None = None) -> EncodedBatch:
    """Return the images of a batch, as files and decoded.

    Raises:
        DataError: If the decoded ones differ in size.
    """
    encoded = [item for item in items if isinstance(item, EncodedImage)]
    decoded = [item for item in items if not isinstance(item, EncodedImage)]
    indices = [item.index if isinstance(item, EncodedImage) else item[0] for item in items]
    return EncodedBatch(torch.tensor(indices, dtype=torch.int64), encoded, collate(decoded, ids) if decoded else None)
