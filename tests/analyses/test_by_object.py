"""Objects as items of a pass: which they are, what an observer is shown of them, processes and cache."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from autola_analysis.analyses.by_object import ByObject, ObjectMeans
from autola_analysis.analyses.chosen import ChosenImages
from autola_analysis.analyses.object_items import ObjectItems
from autola_analysis.analyses.observation import Observation, Reading, observe
from autola_analysis.analyses.per_image import PerImageObserver
from autola_analysis.analyses.variants import Variant
from autola_analysis.core.errors import DataError, LayerError
from autola_analysis.core.objects import Objects
from autola_analysis.data.subset import ObjectSubset
from autola_analysis.inference.run import Settings
from autola_analysis.inference.stream import Batch
from tests.analyses.saliency.objects.planted import CELL, LAYER, SIDE, Squares, planted

ODD = [1, 3, 5]
"""Images of `Squares` with three objects; all others have two"""
BLURRED = 0.93824
"""Mean red of a square that was brought from four times its size"""


class Watches:
    """Keeps the activity of every object."""

    name = "objects"

    def __init__(self, items: ObjectItems) -> None:
        self._items = items

    def applies_to(self, variant: Variant) -> bool:
        return True

    def inputs(self, variant: Variant) -> dict[str, str]:
        return {"items": self._items.hash}

    def watch(self, variant: Variant, preprocessing: object, stream: object, folder: Path | None) -> ByObject:
        means = ObjectMeans(self._items, variant.model)
        return ByObject(PerImageObserver([LAYER], means), means, [LAYER])


def seen(source: Squares, batch_size: int, numbers: list[int] | None = None, cache: Path | None = None) -> Any:
    return observed(source, batch_size, numbers, cache).observer


def observed(
    source: Squares, batch_size: int, numbers: list[int] | None = None, cache: Path | None = None
) -> Observation[Any]:
    sample = source if numbers is None else ObjectSubset(source, numbers)
    watcher = Watches(ObjectItems.of(sample, fewest=2))
    chosen = watcher if numbers is None else ChosenImages(watcher, np.array(numbers))
    reading = Reading(Settings(device="cpu", quiet=True), batch_size, cache=cache)
    (found,) = observe([planted()], source, chosen, reading)
    return found


@pytest.mark.parametrize("batch_size", [1, 3, 6])
@pytest.mark.parametrize("large", [1, 4])
def test_an_objects_activity_is_the_mean_of_the_map_over_its_box(batch_size: int, large: int) -> None:
    found = seen(Squares(6, large=large), batch_size)
    red, blue = 1 if large == 1 else BLURRED, 0  # a square fills a cell of the layer, which holds the mean red
    expected = [[red, blue], [red, blue, red]] * 3
    np.testing.assert_allclose(found.values()[LAYER][:, 0], np.concatenate(expected), atol=1e-5)
    assert found.subcell == {LAYER: 0}


def test_objects_of_some_images_of_a_pass_are_those_of_a_pass_over_them(tmp_path: Path) -> None:
    source = Squares(6)
    for numbers in (ODD, [2, 5], [1, 2]):  # of the last the second batch has none
        alone = seen(ObjectSubset(source, numbers), 2)
        for cache, kept in ((None, False), (tmp_path, False), (tmp_path, True)):
            part = observed(source, 3, numbers, cache)
            assert (part.record is None) == kept
            np.testing.assert_array_equal(part.observer.values()[LAYER], alone.values()[LAYER])
            assert part.observer.subcell == alone.subcell


class Listed(Squares):
    """Squares whose boxes, classes and crowds are given."""

    def __init__(self, boxes: list[list[float]], labels: list[int], crowd: int = -1) -> None:
        super().__init__(3)
        self._given = np.array(boxes, dtype=float), np.array(labels), np.arange(len(labels)) == crowd

    def objects(self, index: int) -> Objects:
        boxes, labels, crowd = self._given
        return Objects(boxes, labels, (boxes[:, 2:] - boxes[:, :2]).prod(1), crowd, np.arange(len(labels)))


def test_objects_smaller_than_a_cell_are_counted_and_boxes_end_at_the_image() -> None:
    half = CELL / 2
    boxes = [[0, 0, half, 40], [CELL, 0, 2 * CELL, CELL], [SIDE - 1, 0, SIDE + 1, 40]]
    found = seen(Listed(boxes, [0, 1, 1]), 2)
    assert found.subcell == {LAYER: 6}
    items = ObjectItems.of(Listed(boxes, [0, 1, 1]), fewest=2)
    assert items.boxes[2].tolist() == [1 - 1 / SIDE, 0, 1, 40 / SIDE]


def test_crowds_and_rare_classes_are_no_items_and_sizes_are_cocos() -> None:
    wide = [[0, 0, 8, 8], [0, 0, 32, 32], [0, 0, 31.9, 32], [0, 0, 40, 40]]
    items = ObjectItems.of(Listed(wide, [0, 0, 1, 1], crowd=3), fewest=3)
    assert items.places.tolist() == [0, 1, 2] * 3
    assert items.labels.tolist() == [0, 0, 1] * 3
    assert items.sizes.tolist() == [0, 1, 0] * 3
    assert items.ids[3:5] == ("square 1 #1", "square 1 #2")
    assert items.of_image(1) == slice(3, 6)
    with pytest.raises(DataError, match=r"has 1 class with 4 objects in .*\(the most: red with 6\)"):
        ObjectItems.of(Listed(wide, [0, 0, 1, 1], crowd=3), fewest=4)


def test_a_class_that_one_image_holds_is_left_out() -> None:
    class Lone(Squares):
        def objects(self, index: int) -> Objects:
            found = super().objects(index)
            labels = np.where(index == 0, 2, found.labels)
            return Objects(found.boxes, labels, found.areas, found.crowd, found.ids)

        classes = ("red", "blue", "green")

    items = ObjectItems.of(Lone(6), fewest=2)
    assert items.left_out == {"green": 2}
    assert 0 not in items.images


@pytest.mark.parametrize("box", [[64, 0, 65, 9], [5, 5, 5, 9], [-3, 0, 0, 9]])
def test_a_box_without_area_in_its_image_is_refused(box: list[float]) -> None:
    with pytest.raises(DataError, match=r"of an object of 'square 0' has no area within its 64 x 64 pixels"):
        ObjectItems.of(Listed([box], [0]), fewest=2)


def test_layers_without_a_map_per_image_are_refused() -> None:
    source = Squares(2)
    means = ObjectMeans(ObjectItems.of(source, fewest=2), planted().model)
    means.begin(Batch(torch.zeros(2, 3, SIDE, SIDE), None, torch.arange(2)))
    for shape in ((2, 5), (7, 4, 3, 3)):
        with pytest.raises(LayerError, match=r"puts out shape .*objects need maps \(B, K, H, W\) of 2 images"):
            means(torch.zeros(shape))


def test_one_image_of_a_batch_keeps_its_objects_together() -> None:
    source = Squares(3)
    targets = np.empty(3, dtype=object)
    targets[:] = [source.objects(index) for index in range(3)]
    part = Batch(torch.zeros(3, 3, 1, 1), targets, torch.arange(3)).chosen(torch.tensor([1]), torch.tensor([0]))
    assert len(part.targets) == 1
    assert len(part.targets[0]) == 3
