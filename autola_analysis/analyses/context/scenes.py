"""The images of a source as objects and surroundings, and the surroundings that a kind of image gives an object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from autola_analysis.analyses.context.cut import blurred, cut_out, filled, resized, resized_mask
from autola_analysis.analyses.context.kinds import CLUTTER, OBJECT_ONLY, PASTED_BACK
from autola_analysis.data.boxes import Box, object_mask
from autola_analysis.data.scene import FloatArray, Scene
from autola_analysis.data.side_files import beside_images
from autola_analysis.data.source import ImageSource

HELD_BYTES = 2**28
"""Memory for scenes that may be needed again."""
NOBODY = -1


@dataclass(frozen=True)
class Altered:
    """One image with other surroundings.

    Attributes:
        host: Number of the image whose object it shows.
        kind: What was done.
        donor: Number of the image that the surroundings, or the clutter, come from; -1 for none.
        contrast: Of the object to its surroundings, in grey levels, see `Scene.contrast`.
    """

    host: int
    kind: str
    donor: int = NOBODY
    contrast: float = 0.0


class Scenes:
    """The images of a source in parts, made when they are asked for; the latest are held.

    Args:
        source: The images.
        boxes: Boxes of their objects by image, for a source without masks.

    Raises:
        DataError: If it is not clear to which image a box belongs.

    Attributes:
        exact: Whether the source knows the parts, so that an object put back gives the same image to the last bit.
        clutter: Whether it knows clutter.
    """

    def __init__(self, source: ImageSource, boxes: Mapping[str, Sequence[Box]]) -> None:
        self.source = source
        self._boxes = beside_images(source, boxes, "box")
        self._held: dict[int, Scene | None] = {}
        first = source.scene(0)
        self.exact = first is not None
        self.clutter = first is not None and bool(first.clutter)

    @property
    def known(self) -> bool:
        """Whether there is any image whose object is known."""
        if self.exact:
            return True
        return any(
            bool(self._boxes.get(self.source.ids[index])) or self.source.mask(index) is not None
            for index in range(len(self.source))
        )

    def __getitem__(self, index: int) -> Scene:
        """Return one image in parts, whose object is known."""
        scene = self.find(index)
        assert scene is not None, "only images with a known object are altered"
        return scene

    def find(self, index: int) -> Scene | None:
        """Return one image in parts; None where its object is not known, or fills the image."""
        if index not in self._held:
            scene = self._scene(index)
            size = 3 * scene.backdrop.nbytes if scene else 0
            if size * len(self._held) > HELD_BYTES:
                del self._held[next(iter(self._held))]
            self._held[index] = scene
        return self._held[index]

    def background(self, altered: Altered, blur: float) -> FloatArray:
        """Return the surroundings that an object gets, ``(H, W, 3)``.

        Args:
            altered: Which object and whose surroundings.
            blur: Width of the blur, see `blurred`.
        """
        host = self[altered.host]
        height, width = host.mask.shape
        if altered.kind == OBJECT_ONLY:
            return blurred(host.background, blur)
        donor = self[altered.donor]
        if altered.kind == CLUTTER:
            return host.background_with(donor.clutter)
        if altered.kind == PASTED_BACK:
            return filled(host.image(), host.mask | resized_mask(donor.mask, height, width))
        return resized(donor.background, height, width)

    def _scene(self, index: int) -> Scene | None:
        if self.exact:
            return self.source.scene(index)
        mask = object_mask(self.source, index, self._boxes)
        if mask is None or mask.all() or not mask.any():
            return None
        return cut_out(np.asarray(self.source.image(index).convert("RGB")), mask)
