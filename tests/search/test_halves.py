"""The halves of the images, and the order in which they are read."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from autola_analysis.core.errors import DataError, OptionError
from autola_analysis.data import ClutteredDigits
from autola_analysis.data.source import ImageSource
from autola_analysis.search.batches import PlannedImages
from autola_analysis.search.halves import halves
from autola_analysis.search.recipes import SEARCH_RECIPES, images_of
from autola_analysis.training.batches import BatchPlan, EpochBatches, stream
from autola_analysis.training.images import AugmentedImages


class Labels(ImageSource):
    """Images of which only the labels matter."""

    name, split = "labels", "train"

    def __init__(self, labels: list[int]) -> None:
        self.labels = np.array(labels)
        self.ids = [f"image {number}" for number in range(len(labels))]
        self.classes = tuple(f"class {label}" for label in range(max(labels) + 1))

    def image(self, index: int) -> Image.Image:
        raise NotImplementedError

    def fingerprint(self) -> str:
        return "labels"


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(2, 9), min_size=1, max_size=6), st.integers(0, 100))
def test_halves_are_disjoint_complete_and_even(counts: list[int], seed: int) -> None:
    labels = [label for label, count in enumerate(counts) for _ in range(count)]
    np.random.default_rng(seed).shuffle(labels)
    source = Labels(labels)
    first, second = halves(source, seed)
    assert sorted([*first.ids, *second.ids]) == sorted(source.ids)
    for label in range(len(counts)):
        assert abs(int((first.labels == label).sum()) - int((second.labels == label).sum())) <= 1
    assert abs(len(first.labels) - len(second.labels)) <= 1


def test_another_seed_gives_other_halves_and_the_same_seed_the_same() -> None:
    source = Labels([0] * 50 + [1] * 50)
    first, again, other = (halves(source, seed)[0].ids for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_where_an_image_goes_does_not_depend_on_the_order_of_the_images() -> None:
    source, turned = Labels([0] * 30), Labels([0] * 30)
    turned.ids = source.ids[::-1]
    assert set(halves(source, 3)[0].ids) == set(halves(turned, 3)[0].ids)


def test_a_class_with_one_image_is_refused() -> None:
    with pytest.raises(DataError, match="the class class 1 of labels has a single image"):
        halves(Labels([0, 0, 1]), 0)


def test_the_batches_of_an_epoch_depend_on_seed_and_epoch_alone() -> None:
    def planned(seed: int, epoch: int, purpose: str = "weights") -> list[BatchPlan]:
        batches = EpochBatches(20, 6, seed, purpose)
        batches.set_epoch(epoch)
        return list(batches)

    assert planned(1, 2) == planned(1, 2)
    different = [planned(1, 2), planned(1, 3), planned(2, 2), planned(1, 2, "alpha")]
    assert all(one != other for number, one in enumerate(different) for other in different[:number])
    chosen = [index for plan in planned(1, 2) for index in plan.indices]
    assert len(chosen) == len(set(chosen)) == 18
    assert len(EpochBatches(20, 6, 0, "")) == 3


def test_augmentation_depends_on_the_plan_and_leaves_the_callers_random_state() -> None:
    recipe = images_of(SEARCH_RECIPES.get("cluttered-digits"))
    images = PlannedImages(AugmentedImages(ClutteredDigits("train", 8), recipe))
    before = torch.get_rng_state()
    first, _ = images[BatchPlan([0, 1, 2], 5)]
    torch.manual_seed(9)
    again, _ = images[BatchPlan([0, 1, 2], 5)]
    other, _ = images[BatchPlan([0, 1, 2], 6)]
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    torch.set_rng_state(before)
    images[BatchPlan([0], 1)]
    assert torch.equal(torch.get_rng_state(), before)


def test_streams_differ_by_seed_epoch_and_purpose() -> None:
    seeds = [stream(seed, epoch, purpose) for seed in range(3) for epoch in range(3) for purpose in "ab"]
    assert len(set(seeds)) == 18
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_a_batch_larger_than_a_half_is_refused() -> None:
    with pytest.raises(OptionError, match="a batch of 64 images does not fit into 40 images; give --set batch_size"):
        EpochBatches(40, 64, 0, "")
