"""Seeded samples in which every class keeps its share."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from autola_analysis.core.errors import OptionError
from autola_analysis.data import ClutteredDigits, Subset, limit
from autola_analysis.data.source import ImageSource, hash_of


class Labelled(ImageSource):
    """Labels without files; image i is a pixel of grey level i."""

    name = "labelled"
    split = "test"

    def __init__(self, labels: list[int], ids: list[str] | None = None) -> None:
        self.labels = np.array(labels, dtype=np.int64)
        self.classes = tuple(f"class {label}" for label in range(max(labels) + 1))
        self.ids = ids or [f"image {index}" for index in range(len(labels))]

    def image(self, index: int) -> Image.Image:
        return Image.new("L", (1, 1), index % 256)

    def fingerprint(self) -> str:
        return hash_of(*self.ids)


def sorted_folder(counts: list[int]) -> Labelled:
    return Labelled([label for label, count in enumerate(counts) for _ in range(count)])


def ideal_shares(counts: np.ndarray, n: int) -> np.ndarray:
    """The proportional shares, none below 1: max(1, rate * count), with the rate found by bisection."""
    low, high = 0.0, 1.0
    for _ in range(200):
        rate = (low + high) / 2
        low, high = (rate, high) if np.maximum(1, rate * counts).sum() < n else (low, rate)
    return np.maximum(1, high * counts)


counts_and_n = st.lists(st.integers(1, 60), min_size=1, max_size=12).flatmap(
    lambda counts: st.tuples(st.just(counts), st.integers(1, sum(counts)))
)
seeds = st.integers(0, 2**32)
quick = settings(max_examples=100, deadline=None)


@quick
@given(counts_and_n, seeds)
def test_sample_has_the_size_asked_for_in_ascending_order(case: tuple[list[int], int], seed: int) -> None:
    counts, n = case
    source = sorted_folder(counts)
    sample = limit(source, n, seed)
    positions = [list(source.ids).index(name) for name in sample.ids]
    assert len(positions) == n
    assert positions == sorted(set(positions))
    assert sample.labels.tolist() == source.labels[positions].tolist()


@quick
@given(counts_and_n, seeds)
def test_every_class_keeps_its_share_to_within_one_image(case: tuple[list[int], int], seed: int) -> None:
    counts, n = case
    shares = np.bincount(limit(sorted_folder(counts), n, seed).labels, minlength=len(counts))
    if n >= len(counts):
        assert shares.min() >= 1
        ideal = ideal_shares(np.array(counts), n)
    else:
        ideal = n * np.array(counts) / sum(counts)
    assert np.abs(shares - ideal).max() < 1 + 1e-6
    assert (shares <= counts).all()


@quick
@given(counts_and_n, seeds)
def test_sample_repeats(case: tuple[list[int], int], seed: int) -> None:
    counts, n = case
    first, again = (limit(sorted_folder(counts), n, seed) for _ in range(2))
    assert list(first.ids) == list(again.ids)
    assert first.fingerprint() == again.fingerprint()


@quick
@given(counts_and_n, seeds, st.randoms(use_true_random=False))
def test_sample_does_not_depend_on_the_order_of_the_images(case: tuple[list[int], int], seed: int, random) -> None:
    counts, n = case
    source = sorted_folder(counts)
    order = list(range(len(source)))
    random.shuffle(order)
    shuffled = Labelled(source.labels[order].tolist(), [source.ids[i] for i in order])
    assert set(limit(source, n, seed).ids) == set(limit(shuffled, n, seed).ids)


@quick
@given(counts_and_n, seeds)
def test_classes_without_images_change_nothing(case: tuple[list[int], int], seed: int) -> None:
    counts, n = case
    source = sorted_folder(counts)
    source.classes = (*source.classes, "absent")
    assert list(limit(source, n, seed).ids) == list(limit(sorted_folder(counts), n, seed).ids)


def test_sample_is_never_the_head_of_each_class() -> None:
    source = sorted_folder([1000, 1000])
    positions = np.array([int(name.split()[1]) % 1000 for name in limit(source, 200).ids])
    assert abs(positions.mean() - 500) < 4 * 289 / np.sqrt(200)


def test_every_image_is_drawn_equally_often() -> None:
    source = sorted_folder([20])
    drawn = np.zeros(20)
    for seed in range(400):
        drawn[[int(name.split()[1]) for name in limit(source, 5, seed).ids]] += 1
    assert np.abs(drawn - 100).max() < 4.5 * np.sqrt(400 * 0.25 * 0.75)


def test_another_seed_draws_other_images_and_serves_other_classes_first() -> None:
    source = sorted_folder([10] * 10)
    samples = [limit(source, 15, seed) for seed in range(10)]
    assert len({tuple(sample.ids) for sample in samples}) == 10
    assert len({tuple(np.bincount(sample.labels)) for sample in samples}) > 1


def test_fingerprint_changes_with_parent_size_and_seed() -> None:
    source = sorted_folder([50, 50])
    other = Labelled(source.labels.tolist(), [f"other {i}" for i in range(100)])
    samples = [limit(source, 10), limit(source, 11), limit(source, 10, 1), limit(other, 10), source]
    assert len({sample.fingerprint() for sample in samples}) == 5
    assert Subset(source, [1, 2]).fingerprint() != Subset(other, [1, 2]).fingerprint()


@pytest.mark.parametrize("n", [6, 7, 1000])
def test_limit_beyond_the_source_is_the_source(n: int) -> None:
    source = sorted_folder([2, 4])
    assert limit(source, n) is source


@pytest.mark.parametrize("n", [0, -3])
def test_limit_below_one_is_refused(n: int) -> None:
    with pytest.raises(OptionError, match=f"at least 1 image; found {n}"):
        limit(sorted_folder([2, 4]), n)


def test_rare_class_is_not_lost() -> None:
    assert np.bincount(limit(sorted_folder([1000, 1]), 2).labels).tolist() == [1, 1]


def test_subset_passes_on_everything_of_its_images() -> None:
    source = ClutteredDigits(length=40)
    sample = Subset(source, [3, 17])
    assert (sample.name, sample.split, sample.classes) == (source.name, source.split, source.classes)
    assert sample.preprocessing is source.preprocessing
    assert sample.labels.tolist() == [3, 7]
    np.testing.assert_array_equal(np.asarray(sample.image(1)), source.item(17).pixels)
    mask = sample.mask(1)
    assert mask is not None
    np.testing.assert_array_equal(mask, source.item(17).mask)
    assert sample.contents(1) == source.contents(17)
