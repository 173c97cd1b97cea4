"""Data sets that are handed over: what is known of them before reading, and what is said of those that do not fit."""

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import ConcatDataset, DataLoader, Dataset, IterableDataset, Subset, TensorDataset, random_split

from autola_analysis.core.errors import DataError
from autola_analysis.inference.run import Settings, run
from autola_analysis.inference.running import Job
from autola_analysis.inference.stream import ImageData, open_stream
from tests.inference.networks import Tiny

BIRDS = ("finch", "gull", "heron")


class Birds(Dataset[Any]):
    """Nine images of three classes; attributes are set by the tests."""

    def __init__(self, given: Any = None, **attributes: Any) -> None:
        self.numbers = [0, 0, 1, 2, 1, 0, 2, 2, 1]
        self.given = self.numbers if given is None else given
        self.__dict__.update(attributes)

    def __len__(self) -> int:
        return 9

    def __getitem__(self, index: int) -> Any:
        if index >= 9:
            raise IndexError
        return torch.full((3, 8, 8), index / 9), self.given[index]


class Seen:
    """Keeps the labels that a pass shows."""

    layers = ()

    def __init__(self) -> None:
        self.labels: list[int] = []

    def reduce(self, layer: str, activation: Tensor) -> None:
        """Keep nothing: there are no layers."""

    def update(self, batch: Any, kept: Any, output: Tensor) -> None:
        self.labels += batch.targets.tolist()


def read(data: ImageData) -> list[int]:
    seen = Seen()
    run([Job(Tiny(), [seen])], open_stream(data, None, batch_size=4), Settings(device="cpu", quiet=True))
    return seen.labels


def named() -> Birds:
    return Birds(targets=[0, 0, 1, 2, 1, 0, 2, 2, 1], classes=list(BIRDS))


def parts() -> dict[str, tuple[Dataset[Any], list[int]]]:
    """Return parts and sums of one data set, with the numbers of their images in it."""
    split = random_split(named(), [4, 5], torch.Generator().manual_seed(3))[1]
    return {
        "subset": (Subset(named(), [7, 2, 3]), [7, 2, 3]),
        "split": (split, list(split.indices)),
        "subset of a split": (Subset(split, [4, 0]), [split.indices[4], split.indices[0]]),
        "joined": (ConcatDataset([named(), Subset(named(), [8, 0])]), [*range(9), 8, 0]),
        "subset of joined": (Subset(ConcatDataset([named(), named()]), [17, 3]), [8, 3]),
    }


@pytest.mark.parametrize("name", list(parts()))
def test_parts_and_sums_of_data_sets_keep_labels_and_classes(name: str) -> None:
    part, numbers = parts()[name]
    expected = [named().numbers[number] for number in numbers]
    stream = open_stream(DataLoader(part, batch_size=2), None)
    assert stream.labels.tolist() == expected
    assert stream.classes == BIRDS
    assert read(part) == expected


def test_data_sets_that_are_joined_need_the_same_classes() -> None:
    other = Birds(targets=[0] * 9, classes=["finch", "gull", "ibis"])
    with pytest.raises(DataError, match=r"joined have other classes, \(finch, gull, heron\) and \(finch, gull, ibis\)"):
        open_stream(ConcatDataset([named(), other]), None)
    nameless = ConcatDataset([named(), Birds(targets=[0] * 9)])
    assert open_stream(nameless, None).classes is None
    assert open_stream(ConcatDataset([named(), Birds()]), None).labels is None


def test_classes_of_one_name_stay_apart_and_are_no_labels() -> None:
    twice = ["crane", "owl", "crane"]
    assert open_stream(Birds(classes=twice), None).classes == ("crane (0)", "owl", "crane (2)")
    with pytest.raises(DataError, match=r"'crane' is none of the classes \(crane \(0\), owl, crane \(2\)\)"):
        open_stream(Birds(targets=["crane"] * 9, classes=twice), None)


@pytest.mark.parametrize("attribute", ["targets", "labels", "_labels"])
@pytest.mark.parametrize("form", [list, np.array, torch.tensor, tuple])
def test_labels_at_hand_are_found_where_data_sets_keep_them(attribute: str, form: Any) -> None:
    data = Birds(**{attribute: form(Birds().numbers)})
    assert open_stream(data, None).labels.tolist() == data.numbers


@pytest.mark.parametrize(
    ("classes", "names"),
    [
        (3, ("0", "1", "2")),
        (np.array(BIRDS), BIRDS),
        ({"gull": 1, "heron": 2, "finch": 0}, BIRDS),
        ({2: "heron", 0: "finch", 1: "gull"}, BIRDS),
        (None, None),
    ],
)
def test_classes_are_names_a_number_or_a_dict(classes: Any, names: tuple[str, ...] | None) -> None:
    data = Birds(targets=Birds().numbers, classes=classes)
    assert open_stream(data, None).classes == names
    assert read(data) == data.numbers


def test_names_as_labels_are_numbered_by_the_classes() -> None:
    words = [BIRDS[number] for number in Birds().numbers]
    data = Birds(given=words, targets=words, classes=BIRDS)
    assert open_stream(data, None).labels.tolist() == data.numbers
    assert read(data) == data.numbers
    assert read(Birds(given=words, classes=BIRDS)) == data.numbers


def test_labels_at_hand_are_those_after_the_target_transform() -> None:
    turned = [2 - number for number in Birds().numbers]
    data = Birds(given=turned, targets=Birds().numbers, target_transform=lambda label: 2 - label)
    assert open_stream(data, None).labels.tolist() == turned
    assert read(data) == turned


IMAGES = torch.zeros(9, 3, 8, 8)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (TensorDataset(IMAGES, torch.eye(9, 3).long()), r"found torch.int64 \(9, 3\); several labels per image"),
        (TensorDataset(IMAGES, torch.rand(9)), r"must be integers of shape \(N,\); found torch.float32 \(9,\)"),
        (Birds(targets=["finch"] * 9), "'finch' is a name, and the data set has no `classes`"),
        (Birds(targets=["ibis"] * 9, classes=BIRDS), r"'ibis' is none of the classes \(finch, gull, heron\)"),
        (Birds(targets=[{"boxes": []}] * 9), "found 9 values, the first a dict of boxes"),
        (Birds(targets=[[0], [0, 1]] * 4 + [[2]]), "found 9 values, the first 1 values"),
        (Birds(targets=[0] * 8 + [900_000_001]), "must number classes from 0; found 900000001"),
        (Birds(given=["finch"] * 9), "'finch' is a name"),
        (Birds(targets=[0] * 9), "lists the label 0 for image 2 and gives it the label 1"),
        (TensorDataset(IMAGES[:0], torch.zeros(0).long()), "no image to run the networks on: the data set is empty"),
        (Subset(named(), []), "the data set is empty"),
        (
            TensorDataset(IMAGES, torch.zeros(9).long(), torch.zeros(9)),
            r"found 3 values \(torch.float32 \(4, 3, 8, 8\)",
        ),
        ([{"pixels": torch.zeros(3, 8, 8), "label": 1}] * 4, "found a dict of pixels, label"),
        ([(Image.new("RGB", (8, 8)), 0)] * 4, "found Image: give it a transform that ends in a tensor"),
        ([(torch.zeros(3, 8, 8), 0), (torch.zeros(3, 8, 9), 0)], r"found \(3, 8, 8\) and \(3, 8, 9\) \(image 1"),
    ],
)
def test_data_that_cannot_be_read_is_one_sentence(data: Any, message: str) -> None:
    with pytest.raises(DataError, match=message) as raised:
        read(DataLoader(data, batch_size=4) if isinstance(data, list) else data)
    assert "\n" not in str(raised.value)


def test_items_are_described_as_well_where_other_processes_read_them() -> None:
    uneven = [(torch.zeros(3, 8, 8), 0), (torch.zeros(3, 9, 8), 0)]
    with pytest.raises(DataError, match=r"found \(3, 8, 8\) and \(3, 9, 8\)"):
        read(DataLoader(uneven, batch_size=2, num_workers=1))


ERRORS = [
    IndexError("too far"),
    KeyError("k"),
    RuntimeError("away"),
    StopIteration(),
    OSError(5, "broken"),
    SystemExit(),
]


class Broken(Birds):
    """Raises an error for one of its images."""

    def __init__(self, error: BaseException, **attributes: Any) -> None:
        super().__init__(error=error, **attributes)

    def __getitem__(self, index: int) -> Any:
        if index == 6:
            raise self.error
        return super().__getitem__(index)


@pytest.mark.parametrize("error", ERRORS, ids=repr)
@pytest.mark.parametrize("known", [True, False], ids=["labels known", "labels read"])
def test_an_error_of_a_data_set_is_no_end_of_the_data(error: BaseException, known: bool) -> None:
    data = Broken(error, **({"targets": Birds().numbers} if known else {}))
    with pytest.raises(DataError, match=r"gives no image 6 \(.*\); mend it") as raised:
        read(data)
    assert raised.value.__cause__ is error


def test_an_error_of_a_loader_names_the_batch() -> None:
    loader = DataLoader(Broken(IndexError("too far")), batch_size=2, num_workers=1, shuffle=True)
    with pytest.raises(DataError, match="gives no image 6"):
        read(loader)

    def fails_once(items: Any) -> Any:
        raise ValueError("cannot be collated")

    with pytest.raises(DataError, match="failed at its batch 0: ValueError: cannot be collated"):
        read(DataLoader(named(), batch_size=2, collate_fn=fails_once))


def test_the_end_of_an_endless_kind_of_data_set_is_its_own() -> None:
    class Flight(IterableDataset[Any]):
        def __iter__(self) -> Any:
            return (named()[number] for number in range(5))

        def __len__(self) -> int:
            return 9

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read(DataLoader(Flight(), batch_size=2)) == named().numbers[:5]
