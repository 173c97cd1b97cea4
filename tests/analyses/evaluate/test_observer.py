"""What hangs on the pass: the same whatever the batches, the order, the numbering of classes, the processes."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils.data import Dataset

from autola_analysis.analyses.chosen import ChosenImages
from autola_analysis.analyses.evaluate.measure import PredictionWatcher, evaluation_result
from autola_analysis.analyses.evaluate.observer import PredictionObserver
from autola_analysis.analyses.evaluate.options import EvaluationOptions
from autola_analysis.analyses.evaluate.predictions import Predictions
from autola_analysis.analyses.observation import Observation, observe
from autola_analysis.analyses.variants import Variant
from autola_analysis.core.distributed import Processes
from autola_analysis.core.errors import DataError
from autola_analysis.inference.stream import Batch
from autola_analysis.inference.tasks.accuracy import Accuracy
from tests.analyses.evaluate.networks import READING, Reads, drawn, images_of, watched

CPU = torch.device("cpu")
SIZES = {"images": st.integers(1, 40), "classes": st.integers(1, 9), "seed": st.integers(0, 99)}


def assert_same(ours: Predictions, theirs: Predictions) -> None:
    assert ours.arrays().keys() == theirs.arrays().keys()
    for name, array in ours.arrays().items():
        np.testing.assert_array_equal(array, theirs.arrays()[name], err_msg=name)
        assert array.dtype == theirs.arrays()[name].dtype


@settings(deadline=None, max_examples=40)
@given(**SIZES, batch_size=st.integers(1, 40))
def test_the_batch_size_changes_nothing(images: int, classes: int, seed: int, batch_size: int) -> None:
    logits, labels = drawn(images, classes, seed)
    assert_same(watched(logits, labels, batch_size).predictions(), watched(logits, labels, images).predictions())


@settings(deadline=None, max_examples=40)
@given(**SIZES)
def test_images_in_another_order_are_predicted_alike(images: int, classes: int, seed: int) -> None:
    logits, labels = drawn(images, classes, seed)
    order = torch.randperm(images, generator=torch.Generator().manual_seed(seed))
    shuffled = watched(logits[order], labels[order], 7).predictions()
    for name, array in watched(logits, labels, 7).predictions().arrays().items():
        np.testing.assert_array_equal(shuffled.arrays()[name], array[order.numpy()], err_msg=name)


@settings(deadline=None, max_examples=40)
@given(**SIZES)
def test_a_permutation_of_classes_permutes_rows_and_columns(images: int, classes: int, seed: int) -> None:
    logits, labels = drawn(images, classes, seed)
    new = torch.randperm(classes, generator=torch.Generator().manual_seed(seed))  # old number -> new number
    before = watched(logits, labels, 7).predictions()
    after = watched(logits[:, new.argsort()], new[labels], 7).predictions()
    permuted = np.zeros((classes, classes), dtype=np.int64)
    permuted[np.ix_(new.numpy(), new.numpy())] = before.confusion(classes, classes)
    np.testing.assert_array_equal(after.confusion(classes, classes), permuted)
    np.testing.assert_array_equal(after.ranks, before.ranks)
    np.testing.assert_allclose(after.nll, before.nll, rtol=1e-5, atol=1e-6)


def test_batches_may_come_in_any_order() -> None:
    logits, labels = drawn(20, 4)
    whole, parts = watched(logits, labels, 20), PredictionObserver(4, None, None)
    for start in (15, 0, 10, 5):
        numbers = torch.arange(start, start + 5)
        parts.update(Batch(torch.empty(5, 1), labels[numbers], numbers), {}, logits[numbers])
    assert_same(parts.predictions(), whole.predictions())


def test_an_image_takes_few_bytes() -> None:
    predictions = watched(*drawn(10, 1000), batch_size=4).predictions()
    assert sum(array.nbytes for array in predictions.arrays().values()) == 10 * 14


def test_many_outputs_are_numbered_all_the_same() -> None:
    logits = torch.zeros(2, 40_000)
    logits[:, 39_999] = 1
    predictions = watched(logits, torch.tensor([39_999, 5]), 2).predictions()
    assert predictions.predicted.tolist() == [39_999, 39_999]
    assert predictions.labels.tolist() == [39_999, 5]


def test_half_precision_is_evaluated_in_single() -> None:
    logits, labels = drawn(30, 6)
    half = logits.bfloat16()
    predictions = watched(half, labels, 7).predictions()
    expected = torch.nn.functional.cross_entropy(half.double(), labels, reduction="none")
    np.testing.assert_allclose(predictions.nll, expected.numpy(), rtol=1e-5, atol=1e-6)


def test_saved_predictions_are_restored(tmp_path: Path) -> None:
    logits, labels = drawn(20, 6)
    observer = watched(logits, labels, 7)
    observer.save(tmp_path)
    other = PredictionObserver(6, None, None)
    other.restore(tmp_path)
    assert_same(other.predictions(), observer.predictions())
    assert (other.outputs, other.fits) == (6, True)


class Pair(Processes):
    """Two processes, seen from one of them: what the other gives is known beforehand."""

    world_size = 2

    def __init__(self, rank: int, other: PredictionObserver) -> None:
        self.rank = rank
        self.outputs = other.outputs
        self.parts = list(other._parts.items())

    def all_gather_object(self, value: Any) -> list[Any]:
        return [value, self.outputs] if self.first else [self.outputs, value]

    def gather_in_order(self, items: Iterable[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
        yield from sorted([*items, *self.parts], key=lambda item: item[0]) if self.first else ()


@pytest.mark.parametrize("shared", [13, 0])
def test_processes_bring_their_predictions_to_the_first(shared: int) -> None:
    logits, labels = drawn(30, 6)
    ours = watched(logits[:shared], labels[:shared], 5)  # of no image at all, the number of outputs is not known
    theirs = watched(logits[shared:], labels[shared:], 5, first=shared)
    first, second = Pair(0, theirs), Pair(1, ours)
    ours.gather(first, CPU)
    theirs.gather(second, CPU)
    assert_same(ours.predictions(), watched(logits, labels, 30).predictions())
    assert len(theirs.predictions().labels) == 0
    observation = Observation(Variant(Reads(6)), theirs, Accuracy(0, None, None), tuple("abcdef"))
    assert evaluation_result(observation, EvaluationOptions()).metrics["value"].isna().all()


def test_labels_beyond_the_classes_are_refused() -> None:
    with pytest.raises(DataError, match="labels must be 0 to 3; found 1 to 4"):
        watched(torch.zeros(2, 4), torch.tensor([1, 4]), 2)


def observed(data: Dataset[Any], watcher: Any, model: Reads) -> Predictions:
    (observation,) = observe([Variant(model)], data, watcher, READING)
    found: Predictions = observation.observer.predictions()
    return found


@pytest.mark.parametrize("numbers", [[0, 1, 2], [3, 8, 9, 17], [19]])
def test_some_images_of_a_pass_are_evaluated_as_if_there_were_no_others(numbers: Sequence[int]) -> None:
    logits, labels = drawn(20, 4)
    chosen = np.array(numbers)
    some: tuple[Tensor, Tensor] = logits[chosen], labels[chosen]
    watcher = ChosenImages(PredictionWatcher(), chosen)
    found = observed(images_of(logits, labels, "abcd"), watcher, Reads(4))
    assert_same(found, observed(images_of(*some, "abcd"), PredictionWatcher(), Reads(4)))
