"""What every network of a measurement is asked, with nothing left to look up."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autola_analysis.analyses.saliency.options import SaliencyOptions
from autola_analysis.core.errors import OptionError
from autola_analysis.data.boxes import Box, object_mask, preprocessed_mask, read_boxes
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.data.side_files import beside_images
from autola_analysis.data.source import ImageSource, hash_of
from autola_analysis.data.subset import Subset, limit
from autola_analysis.inference.stream import Batch

Masks = Sequence[NDArray[np.bool_] | None]
"""Where the object of each image of a batch is, ``(H, W)``; None where that is not known"""


@dataclass(frozen=True)
class Question:
    """What every network of a measurement is asked.

    Attributes:
        data: The images that are shown or measured.
        options: Methods, layers, whether to measure faithfulness.
        boxes: Where objects are, by image.
        shown: Numbers of the images whose maps are kept for a figure.
    """

    data: ImageSource
    options: SaliencyOptions
    boxes: Mapping[str, Sequence[Box]]
    shown: Sequence[int]

    @classmethod
    def of(cls, data: ImageSource, options: SaliencyOptions) -> Question:
        """Read the boxes, draw the images to show, and leave out those that are neither shown nor measured.

        Raises:
            DataError: If the boxes cannot be read, or it is not clear to which image they belong.
            OptionError: If there is no such image to show.
        """
        given = options.boxes if isinstance(options.boxes, Mapping) else _read(options.boxes)
        boxes: Mapping[str, Sequence[Box]] = beside_images(data, given, "box")
        chosen = drawn_by_class(data, options.show, options.seed) if options.shown is None else options.shown
        shown = [int(index) for index in chosen]
        if missing := [index for index in shown if not 0 <= index < len(data)]:
            raise OptionError(f"shown names image {missing[0]}, and there are {len(data):,}, numbered from 0.")
        used = _used(data, options, boxes, shown)
        if len(used) == len(data):
            return cls(data, options, boxes, shown)
        return cls(Subset(data, used), options, boxes, [used.index(index) for index in shown])

    def inputs(self) -> dict[str, Any]:
        """Return what the findings depend on beside networks and images, JSON-ready."""
        options = self.options
        boxes = {name: [astuple(box) for box in boxes] for name, boxes in self.boxes.items()}
        return {
            "methods": list(options.methods),
            "layers": None if options.layers is None else list(options.layers),
            "target": options.target,
            "grid": options.grid,
            "guide_gates": options.guide_gates,
            "faithfulness": options.faithfulness,
            "boxes": hash_of(json.dumps(boxes, sort_keys=True)),
            "shown": list(self.shown),
            "seed": options.seed,
        }

    def masks(self, batch: Batch, geometry: Preprocessing) -> Masks:
        """Return where the objects of a batch are in its pixels: by the source's masks, else by the boxes."""
        masks = []
        for index in batch.indices.tolist():
            mask = object_mask(self.data, index, self.boxes)
            masks.append(None if mask is None else preprocessed_mask(mask, geometry))
        return masks


def way_of_choosing(data: ImageSource, options: SaliencyOptions) -> str:
    """Return how `Question.of` chooses the images to show, as the end of "the images are ..."."""
    if options.shown is not None:
        return "chosen by hand"
    if len(data) <= options.show:
        return "all that were explained"
    if not len(data.classes):
        return "the first that were explained"
    return f"drawn at random, classes in proportion (seed {options.seed}), before any map was made"


def _used(
    data: ImageSource, options: SaliencyOptions, boxes: Mapping[str, Sequence[Box]], shown: Sequence[int]
) -> list[int]:
    """Return the numbers of the images that are shown or measured: a source knows all its masks or none."""
    if options.faithfulness or data.mask(0) is not None:
        return list(range(len(data)))
    used = {*shown, *(drawn_by_class(data, options.sanity, options.seed) if options.sanity else [])}
    if boxes:
        used |= {index for index, name in enumerate(data.ids) if boxes.get(name)}
    return sorted(used)


def _read(boxes: Path | None) -> Mapping[str, Sequence[Box]]:
    return {} if boxes is None else read_boxes(boxes)


def drawn_by_class(data: ImageSource, count: int, seed: int) -> list[int]:
    """Return the numbers of some images: drawn by class, or the first where there are no classes."""
    if len(data) <= count:
        return list(range(len(data)))
    if not count or not len(data.classes):
        return list(range(count))
    sample = limit(data, count, seed)
    assert isinstance(sample, Subset)
    return [int(index) for index in sample.indices]
