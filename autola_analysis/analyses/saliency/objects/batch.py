"""One batch explained by one detector: rows with numbers, and maps for the figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from autola_analysis.analyses.saliency.explain_objects import CORNERS, ObjectExplanation
from autola_analysis.analyses.saliency.faithfulness import SCALED
from autola_analysis.analyses.saliency.items.seen import Row, Seen
from autola_analysis.analyses.saliency.localisation import intensities
from autola_analysis.analyses.saliency.object_targets import NO_CANDIDATE
from autola_analysis.analyses.saliency.objects.faithfulness import ObjectFaithfulness, PerturbedImage
from autola_analysis.analyses.saliency.objects.localise import BOX_ONLY, chance_maps, localise_object
from autola_analysis.analyses.saliency.objects.question import ObjectQuestion
from autola_analysis.analyses.saliency.objects.regions import Regions, box_masks, regions_of
from autola_analysis.analyses.saliency.result import CHANCE, Panel
from autola_analysis.analyses.variants import Variant
from autola_analysis.data.boxes import preprocessed_mask
from autola_analysis.inference.stream import Batch

MISSED = "missed"
"""What figures say of an object that a network does not detect"""
OF_NO_NETWORK = {
    "candidate": None,
    "assigned": "",
    "rank": None,
    "level": None,
    **dict.fromkeys(("candidate_iou", "score", "probability"), float("nan")),
}
"""What maps have in columns that say how a network sees the object, where no network made them"""
SHOWN_SIDE = 320
"""Pixels of the longer side of images in the figures, at most"""


Curves = Mapping[int, ObjectFaithfulness]
"""Place of an object in its image -> insertion and deletion by its maps, and by those that know nothing but its box"""


@dataclass
class SeenObjects(Seen):
    """What one detector gave for the images of one batch.

    Attributes:
        strongest: Number of every image, and the probability of its strongest detection.
    """

    strongest: list[tuple[int, float]] = field(default_factory=list)


@dataclass(frozen=True)
class ExplainedImage:
    """The objects of one image, explained by one detector.

    Attributes:
        question: What was asked.
        variant: The detector, with the preprocessing of its images.
        index: Number of the image.
        size: Height and width of the image as the network got it.
        explanation: Of the whole batch.
        first: Place of the image's first object in it.
    """

    question: ObjectQuestion
    variant: Variant
    index: int
    size: tuple[int, int]
    explanation: ObjectExplanation
    first: int

    def rows(self, curves: Curves) -> Iterator[Row]:
        """Return a row per object and map, and per map that knows nothing but the box.

        Args:
            curves: As `curves` returns them; empty where they were not asked for.
        """
        for place in range(self._count):
            keys = list(self.explanation.maps)
            numbers = self._numbers(place, self._maps(place))
            for row, (method, layer) in enumerate(keys):
                about = {
                    **self._about(place),
                    "method": method,
                    "layer": layer or "",
                    "status": self.explanation.status[method, layer][self.first + place],
                    "support": self.explanation.support[layer][self.first + place] if layer else float("nan"),
                }
                numbers_of_row = {name: float(values[row]) for name, values in numbers.items()}
                yield about | numbers_of_row | _row_of(curves.get(place), row)
            for row, about in enumerate(self._chance(place, BOX_ONLY), start=len(keys)):
                yield about | _row_of(curves.get(place), row)

    def curves(self, detector: nn.Module, image: Tensor) -> Curves:
        """Return insertion and deletion by the maps of every object, and by those that know nothing but the box.

        Args:
            detector: The network, as `ready_to_read` gives it.
            image: As the network takes it, ``(3, H, W)``.
        """
        if not self._count:
            return {}
        perturbed, seed = PerturbedImage(detector, image), self.question.options.seed
        asked = self.question.in_pixels(self.index, self.variant, self.size)
        found = {}
        for place, (box, label) in enumerate(zip(asked.boxes, asked.labels.tolist(), strict=True)):
            maps = self._maps(place)
            if self._is_annotated(place):
                made = chance_maps(*self.size, self._box(place))
                maps = np.concatenate([maps, np.stack([made[name] for name in BOX_ONLY])])
            found[place] = perturbed.faithfulness(maps, box, label + 1, seed)
        return found

    def chance(self, names: tuple[str, ...]) -> Iterator[Row]:
        """Return rows of the maps that know nothing of networks."""
        for place in range(self._count):
            for row in self._chance(place, names):
                yield {**row, "model": CHANCE, "run": "1", **OF_NO_NETWORK}

    def panels(self) -> Iterator[tuple[int, int, Panel]]:
        """Return the maps that the figures show."""
        width, height = shown_size(self.question.source.sizes[self.index])
        for place in self.question.rows_shown(self.index):
            row = self._objects[place]
            box = [float(row[name]) * scale for name, scale in zip(CORNERS, self._scale(width, height), strict=True)]
            detected = bool(row["found"])
            name = self.question.classes.names[int(self.question.asked[self.index].classes[place])]
            for (method, layer), maps in self.explanation.maps.items():
                yield (
                    self.index,
                    place,
                    Panel(
                        variant=self.variant.name,
                        run=self.variant.run,
                        method=method,
                        layer=layer,
                        map=_resized(maps[self.first + place], height, width),
                        predicted=name if detected else MISSED,
                        probability=float(row["probability"]),
                        score=float(row["score"]),
                        status=self.explanation.status[method, layer][self.first + place],
                        box=(box[0], box[1], box[2], box[3]),
                    ),
                )

    @cached_property
    def _objects(self) -> list[Row]:
        rows = self.explanation.objects.iloc[self.first : self.first + self._count]
        return [{str(name): value for name, value in row.items()} for row in rows.to_dict("records")]

    @property
    def _count(self) -> int:
        return len(self.question.asked[self.index].classes)

    @cached_property
    def _intensities(self) -> dict[tuple[str, str | None], NDArray[np.float64]]:
        block = slice(self.first, self.first + self._count)
        return {key: intensities(maps[block]) for key, maps in self.explanation.maps.items()}

    @cached_property
    def _regions(self) -> dict[int, Regions]:
        """Where the annotated objects are, in the pixels of the network."""
        source, (height, width) = self.question.source, self.size
        objects = source.objects(self.index)
        stored = source.sizes[self.index]
        boxes = box_masks(objects.boxes * np.tile([width, height] / stored, 2), height, width)
        geometry = self.variant.preprocessing
        assert geometry is not None
        found = [source.object_mask(self.index, number) for number in range(len(objects))]
        known = [preprocessed_mask(mask, geometry) for mask in found if mask is not None]
        masks = np.stack(known) if found and len(known) == len(found) else None
        return {number: regions_of(objects, boxes, masks, number) for number in range(len(objects))}

    def _box(self, place: int) -> NDArray[np.float64]:
        return np.array([float(self._objects[place][name]) for name in CORNERS])

    def _numbers(self, place: int, maps: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        number = int(self.question.asked[self.index].numbers[place])
        return localise_object(maps, self._regions.get(number), self._box(place))

    def _maps(self, place: int) -> NDArray[np.float64]:
        """Return the maps of an object, ``(K, H, W)``."""
        return np.stack([maps[place] for maps in self._intensities.values()])

    def _is_annotated(self, place: int) -> bool:
        return int(self.question.asked[self.index].numbers[place]) >= 0

    def _chance(self, place: int, names: tuple[str, ...]) -> Iterator[Row]:
        if not self._is_annotated(place):
            return
        made = chance_maps(*self.size, self._box(place))
        numbers = self._numbers(place, np.stack([made[name] for name in names]))
        for row, name in enumerate(names):
            about = {"method": name, "layer": "", "status": "ok", "support": float("nan")}
            yield self._about(place) | about | {metric: float(values[row]) for metric, values in numbers.items()}

    def _about(self, place: int) -> Row:
        asked, row = self.question.asked[self.index], self._objects[place]
        number = int(asked.numbers[place])
        scale = self._scale(*self.question.source.sizes[self.index].tolist())
        return {
            "model": self.variant.name,
            "run": self.variant.run,
            "image": self.question.source.ids[self.index],
            "object": place,
            "annotation": number if number >= 0 else None,
            "class": self.question.classes.names[int(asked.classes[place])],
            "size": self.question.size_of(self.index, number),
            **{name: float(row[name]) * each for name, each in zip(CORNERS, scale, strict=True)},
            **{name: float(row[name]) for name in ("candidate_iou", "score", "probability")},
            "candidate": None if row["candidate"] == NO_CANDIDATE else row["candidate"],
            **{name: row[name] for name in ("assigned", "rank", "level")},
            "detected": bool(row["found"]),
        }

    def _scale(self, width: int, height: int) -> tuple[float, ...]:
        """Return what brings pixels of the network to those of an image of another size."""
        return (width / self.size[1], height / self.size[0]) * 2


def _row_of(measured: ObjectFaithfulness | None, row: int) -> Row:
    """Return the numbers of one map of an object, and the curves behind them."""
    if measured is None:
        return {}
    numbers = {name: float(getattr(measured, name)[row]) for name in (*SCALED, "emptied")}
    curves = {f"{name}_curve": getattr(measured, f"{name}_curve")[row].tolist() for name in SCALED}
    return {**numbers, **curves}


def images_of(
    question: ObjectQuestion, variant: Variant, batch: Batch, explanation: ObjectExplanation
) -> list[ExplainedImage]:
    """Return the images of a batch with their part of an explanation."""
    first, images = 0, []
    size = (batch.images.shape[2], batch.images.shape[3])
    for index in batch.indices.tolist():
        images.append(ExplainedImage(question, variant, index, size, explanation, first))
        first += len(question.asked[index].classes)
    return images


def shown_size(size: NDArray[np.int64]) -> tuple[int, int]:
    """Return width and height at which figures show an image of a size."""
    scale = min(1, SHOWN_SIDE / max(size))
    width, height = (max(1, round(int(side) * scale)) for side in size)
    return width, height


def _resized(map_: Tensor, height: int, width: int) -> NDArray[np.float32]:
    """Return a map ``(H, W)`` or ``(3, H, W)`` at another size, averaged where that is smaller."""
    planes = map_.reshape(1, -1, *map_.shape[-2:]).to(torch.float32)
    made = F.interpolate(planes, (height, width), mode="bilinear", align_corners=False, antialias=True)[0]
    found: NDArray[np.float32] = (made if map_.ndim == 3 else made[0]).numpy()
    return found
