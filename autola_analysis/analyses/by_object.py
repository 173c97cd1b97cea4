"""The objects of a pass's images, shown to an observer as if each were an image of its own.

What is known of the objects comes with the batch, before the forward; maps are averaged over boxes inside the hook, so
that none outlives the layer that made it; what is left is an activity per object, which observers take in as they take
in that of images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from autola_analysis.analyses.object_items import JOINTS, ObjectItems
from autola_analysis.analyses.observation import ObserverT
from autola_analysis.analyses.passed_on import PassedOn
from autola_analysis.core.distributed import Processes
from autola_analysis.core.errors import LayerError, OptionError
from autola_analysis.inference.box_means import box_means, mask_means
from autola_analysis.inference.input_area import InputArea
from autola_analysis.inference.outputs import Output
from autola_analysis.inference.point_samples import point_samples
from autola_analysis.inference.stream import Batch

FILE = "objects.npz"


Masks = Callable[[int, int], NDArray[np.bool_] | None]
"""(image, which of its objects) -> its mask, None where it is not known; see `ObjectSource.object_mask`"""


class ObjectMeans:
    """The means of maps over the boxes of the objects in the batch that runs, or over their masks.

    Args:
        items: The objects.
        model: The detector.
        masks: Where the objects are, instead of their boxes; one whose mask is empty is looked at by its box.
    """

    def __init__(self, items: ObjectItems, model: nn.Module, masks: Masks | None = None) -> None:
        self.items = items
        self._masks = masks
        self._area = InputArea(model)
        self._images = 0
        self._own: list[tuple[int, slice]] = []
        self._filled = 1.0, 1.0

    def begin(self, batch: Batch) -> None:
        """Note whose objects are looked at next."""
        height, width = batch.images.shape[-2:]
        self._images = len(batch.indices)
        self._filled = self._area.shares(height, width)
        rows = [self.items.of_image(index) for index in batch.indices.tolist()]
        self._own = [(place, own) for place, own in enumerate(rows) if own.stop > own.start]

    def __call__(self, activation: Tensor) -> Tensor:
        """Return the activity of every channel for every object of the batch, ``(n, K)``, float32.

        Raises:
            LayerError: If the activation is no map per image; its sentence begins behind the name of the layer.
        """
        if activation.ndim != 4 or len(activation) != self._images:
            raise LayerError(
                f"puts out shape {tuple(activation.shape)}; objects need maps (B, K, H, W) of {self._images} images."
            )
        found = [self.of_image(activation[place], own, boxes) for place, own, boxes in self.own()]
        return torch.cat(found) if found else activation.new_zeros(0, activation.shape[1], dtype=torch.float32)

    def of_image(self, maps: Tensor, own: slice, boxes: Tensor) -> Tensor:
        """Return the activity of every channel for some objects of one image, ``(n, K)``.

        Args:
            maps: Of the image, ``(K, H, W)``.
            own: Which objects.
            boxes: Their boxes in shares of the maps, ``(n, 4)``; a joint is in the middle of its own.
        """
        if self.items.what == JOINTS:
            return point_samples(maps, (boxes[:, :2] + boxes[:, 2:]) / 2)
        in_boxes = box_means(maps, boxes)
        if self._masks is None:
            return in_boxes
        places = zip(self.items.images[own].tolist(), self.items.places[own].tolist(), strict=True)
        masks = [torch.from_numpy(known_mask(self._masks, *place)) for place in places]
        on_masks = mask_means(maps, masks, self._filled)
        return torch.where(torch.tensor([[mask.any()] for mask in masks], device=maps.device), on_masks, in_boxes)

    def own(self) -> Iterator[tuple[int, slice, Tensor]]:
        """Yield the place in the batch of every image that has objects, these, and their boxes in shares of a map."""
        for place, own in self._own:
            yield place, own, self.in_map(self.items.boxes[own])

    def in_map(self, boxes: NDArray[np.float64]) -> Tensor:
        """Return boxes in shares of an image as shares of a map of the batch, ``(n, 4)``."""
        return torch.from_numpy(boxes) * torch.tensor(self._filled * 2, dtype=torch.float64)

    def numbers(self) -> Tensor:
        """Return the numbers of the objects of the batch, ``(n,)``."""
        return torch.tensor([number for _, own in self._own for number in range(own.start, own.stop)], dtype=torch.long)

    def labels(self) -> Tensor:
        """Return their classes, ``(n,)``."""
        return torch.from_numpy(self.items.labels)[self.numbers()]

    def below_a_cell(self, height: int, width: int) -> int:
        """Return how many of the objects are narrower or lower than a cell of a map; joints are points."""
        if self.items.what == JOINTS:
            return 0
        cells = torch.tensor([width, height])
        sides = [boxes[:, 2:] - boxes[:, :2] for _, _, boxes in self.own()]
        return sum(int((each * cells < 1).any(1).sum()) for each in sides)


def known_mask(masks: Masks, image: int, place: int) -> NDArray[np.bool_]:
    """Return the mask of an object.

    Raises:
        OptionError: If it is not known.
    """
    mask = masks(image, place)
    if mask is None:
        raise OptionError(f"the data have no mask of object {place + 1} of image {image}; leave out --region mask.")
    return mask


class ByObject(PassedOn[ObserverT]):
    """Shows an observer the objects of every batch, as a batch of items that have a class and a number each.

    Args:
        observer: Averages maps by `means`.
        means: Over the boxes of the objects.
        layers: Of the observer.

    Attributes:
        subcell: Per layer, the objects that are narrower or lower than a cell of its map.
    """

    def __init__(self, observer: ObserverT, means: ObjectMeans, layers: Sequence[str]) -> None:
        super().__init__(observer)
        self._means = means
        self.subcell = dict.fromkeys(layers, 0)
        self._cells: dict[str, tuple[int, int]] = {}

    @property
    def images(self) -> int:
        """Number of images that hold objects."""
        return len(np.unique(self._means.items.groups))

    def begin(self, batch: Batch) -> None:
        """Note whose objects are looked at next."""
        self._means.begin(batch)

    def reduce(self, layer: str, activation: Tensor) -> Any:
        """Let the observer average the activation over boxes."""
        found = self._observer.reduce(layer, activation)
        self._cells[layer] = (activation.shape[-2], activation.shape[-1])
        return found

    def update(self, batch: Batch, kept: Mapping[str, Any], output: Output) -> None:
        """Hand over the objects of a batch; nothing where it has none."""
        numbers = self._means.numbers()
        if len(numbers):
            self._observer.update(Batch(batch.images, self._means.labels(), numbers, batch.read_as), kept, output)
        for layer in self.subcell:
            self.subcell[layer] += self._means.below_a_cell(*self._cells[layer])

    def gather(self, processes: Processes, device: torch.device) -> None:
        """Bring together what all processes have."""
        super().gather(processes, device)
        counts = torch.tensor(list(self.subcell.values()), dtype=torch.int64)
        processes.all_reduce([counts], device)
        self.subcell = dict(zip(self.subcell, counts.tolist(), strict=True))

    def save(self, folder: Path) -> None:
        """Write what the observer has, and the counts."""
        super().save(folder)
        np.savez(folder / FILE, subcell=np.array(list(self.subcell.values()), dtype=np.int64))

    def restore(self, folder: Path) -> None:
        """Take what `save` wrote."""
        super().restore(folder)
        with np.load(folder / FILE) as arrays:
            self.subcell = dict(zip(self.subcell, arrays["subcell"].tolist(), strict=True))
