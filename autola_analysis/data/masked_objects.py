"""Images with one label and one mask each, as images of one object."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from autola_analysis.core.objects import Objects
from autola_analysis.data.embedded_scenes import box_of
from autola_analysis.data.object_source import ObjectSource
from autola_analysis.data.source import ImageSource


class MaskedObjects(ObjectSource):
    """The images of a source, each with the object that its label and its mask are of.

    An image is called by its class too, as ``test/3/000013``, so that its files lie in a folder per class.

    Args:
        source: Images of one size with masks, named as ``test/000013``.
    """

    def __init__(self, source: ImageSource) -> None:
        self.source = source
        self.name, self.split, self.classes = source.name, source.split, source.classes
        self.category_ids = tuple(range(1, len(source.classes) + 1))
        names = [name.rpartition("/") for name in source.ids]
        self.ids = [
            f"{folder}/{source.classes[label]}/{name}"
            for (folder, _, name), label in zip(names, source.labels, strict=True)
        ]
        self.image_ids = np.arange(1, len(source) + 1)
        self.sizes = np.tile(np.array([source.image(0).size], dtype=np.int64), (len(source), 1))

    def image(self, index: int) -> Image.Image:
        """Return one image."""
        return self.source.image(index)

    def objects(self, index: int) -> Objects:
        """Return the object of one image."""
        mask = self.object_mask(index, 0)
        return Objects(
            box_of(mask)[None],
            self.source.labels[[index]],
            np.array([mask.sum()], dtype=np.float64),
            np.zeros(1, dtype=np.bool_),
            self.image_ids[[index]],
        )

    def object_mask(self, index: int, number: int) -> NDArray[np.bool_]:
        """Return where the object of one image is."""
        mask = self.source.mask(index)
        assert mask is not None
        return mask

    def fingerprint(self) -> str:
        """Return the source's own."""
        return self.source.fingerprint()
