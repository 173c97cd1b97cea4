"""The altered images as a source, so that they run through the same pass as any other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple

import numpy as np
from PIL import Image

from autola_analysis.analyses.context.scenes import Altered, Scenes
from autola_analysis.data.source import ImageSource, hash_of

VERSION = 1
"""Raise it whenever a pixel of any altered image changes: it is part of the fingerprint."""


class AlteredImages(ImageSource):
    """Objects of a source on other surroundings, with the labels of the objects.

    Args:
        scenes: The images that they are made of.
        altered: Which objects on whose surroundings.
        blur: Width of the blur, see `blurred`.
        inputs: What else the parts depend on beside the source: a hash of the boxes.
    """

    def __init__(self, scenes: Scenes, altered: Sequence[Altered], blur: float, inputs: str = "") -> None:
        source = scenes.source
        self._scenes = scenes
        self._blur = blur
        self._inputs = inputs
        self.altered = altered
        self.name, self.split, self.classes = source.name, source.split, source.classes
        self.preprocessing = source.preprocessing
        self.contents_hash = source.contents_hash
        self.compared = source.compared
        self.labels = source.labels[np.array([each.host for each in altered], dtype=np.int64)]
        self.ids = [f"{source.ids[each.host]}, {each.kind}" for each in altered]

    def image(self, index: int) -> Image.Image:
        """Make one image."""
        each = self.altered[index]
        return Image.fromarray(self._scenes[each.host].on(self._scenes.background(each, self._blur)))

    def fingerprint(self) -> str:
        """Return a hash of the source's own and of all that is done to its images."""
        return self._with_alterations(self._scenes.source.fingerprint())

    def listing(self) -> str:
        """Return the same of the source's listing."""
        return self._with_alterations(self._scenes.source.listing())

    def origin(self) -> str:
        """Return the source's own."""
        return self._scenes.source.origin()

    def check_unchanged(self) -> None:
        """Check the source."""
        self._scenes.source.check_unchanged()

    def _with_alterations(self, of_source: str) -> str:
        described = json.dumps([VERSION, self._blur, self._inputs, [astuple(each) for each in self.altered]])
        return hash_of(of_source, described)
