"""What a user writes after ``--data``."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from autola_analysis.core.errors import DataError, OptionError, UnknownNameError
from autola_analysis.data import SOURCES, ClutteredDigits, ImageSource, default_source_for, open_source
from autola_analysis.data.cifar import Cifar10Source, Cifar100Source
from autola_analysis.data.open import register_source

MakeImage = Callable[..., Path]


@pytest.fixture
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AUTOLA_DATA", str(tmp_path))
    return tmp_path


@pytest.fixture
def opened_roots(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, str]]:
    """Replace the reading of CIFAR by a note of what would have been read."""
    roots: list[tuple[Path, str]] = []

    def note(self: object, root: Path, split: str = "test") -> None:
        roots.append((root, split))

    monkeypatch.setattr(Cifar10Source, "__init__", note)
    monkeypatch.setattr(Cifar100Source, "__init__", note)
    return roots


def test_the_documented_sources_are_registered() -> None:
    assert SOURCES.names() == ["cluttered-digits", "cifar10", "cifar100", "imagenet", "folder", "object-crops"]


@pytest.mark.parametrize("name", SOURCES.names())
def test_every_source_has_a_line_for_the_list(name: str) -> None:
    line = (SOURCES.get(name).__doc__ or "").splitlines()[0]
    assert f": {name}" in line


def test_a_source_of_ones_own_gets_its_path_and_nothing_that_is_said_of_cocos_format(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(SOURCES, "_items", dict(SOURCES._items))
    asked = []

    @register_source("mine")
    def open_mine(root: Path | None, split: str | None) -> ImageSource:
        """Mine: mine[:PATH]."""
        asked.append((root, split))
        return ClutteredDigits("test")

    assert open_mine(None, None).split == "test"  # the decorator leaves the function as it is
    open_source("mine:~/a:b", split="val")
    assert asked[1:] == [(Path.home() / "a:b", "val")]
    with pytest.raises(OptionError, match=r"--bad-boxes is for data in COCO's format, .* and mine is not; leave"):
        open_source("mine", bad_boxes="clip")
    assert len(asked) == 2


def test_cluttered_digits_need_no_path_and_give_the_test_split() -> None:
    source = open_source("cluttered-digits")
    assert isinstance(source, ClutteredDigits)
    assert source.split == "test"
    assert open_source("cluttered-digits", split="train").split == "train"


def test_limit_and_seed_reach_the_sample_and_leave_the_data_set_alone() -> None:
    whole = open_source("cluttered-digits", seed=5)
    assert whole.fingerprint() == open_source("cluttered-digits").fingerprint()
    first, second = (open_source("cluttered-digits", limit=50, seed=seed) for seed in (0, 5))
    assert np.bincount(first.labels).tolist() == [5] * 10
    assert list(first.ids) != list(second.ids)


def test_folder_is_opened(birds: Path) -> None:
    source = open_source(f"folder:{birds}")
    assert (source.name, source.split, len(source)) == (f"folder:{birds}", "all", 6)


def test_split_picks_a_folder_below_the_path(birds: Path) -> None:
    birds.rename(birds.parent / "test")
    source = open_source(f"folder:{birds.parent}", split="test")
    assert (source.name, source.split) == (f"folder:{birds.parent}", "test")
    assert source.image(0).size == (8, 8)


def test_split_that_the_folder_does_not_have(birds: Path) -> None:
    with pytest.raises(OptionError, match=r"looked for the folder .*birds/test and found none"):
        open_source(f"folder:{birds}", split="test")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no colons in paths")
def test_only_the_first_colon_splits(birds: Path) -> None:
    odd = birds.rename(birds.parent / "C:birds:2024")
    assert open_source(f"folder:{odd}").image(0).size == (8, 8)


def test_drive_letter_survives(opened_roots: list[tuple[Path, str]]) -> None:
    open_source(r"cifar10:C:\data\cifar")
    assert str(opened_roots[0][0]) == r"C:\data\cifar"


def test_home_is_expanded(opened_roots: list[tuple[Path, str]]) -> None:
    open_source("cifar100:~/cifar", split="train")
    assert opened_roots == [(Path.home() / "cifar", "train")]


@pytest.mark.parametrize(
    ("name", "inside"),
    [
        ("cifar10", "cifar10/cifar-10-batches-py"),
        ("cifar10", "cifar-10-batches-py"),
        ("cifar100", "cifar100/cifar-100-python"),
        ("cifar100", "cifar-100-python"),
    ],
)
def test_data_folder_or_its_subfolder_may_hold_the_files(
    data_folder: Path, opened_roots: list[tuple[Path, str]], name: str, inside: str
) -> None:
    (data_folder / inside).mkdir(parents=True)
    open_source(name)
    assert opened_roots == [((data_folder / inside).parent, "test")]


def test_data_folder_may_be_the_published_folder(
    tmp_path: Path, opened_roots: list[tuple[Path, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOLA_DATA", str(tmp_path / "cifar-10-batches-py"))
    (tmp_path / "cifar-10-batches-py").mkdir()
    open_source("cifar10")
    assert opened_roots == [(tmp_path / "cifar-10-batches-py", "test")]


@pytest.mark.parametrize("inside", ["imagenet/val", "imagenet", "val", "."])
def test_imagenet_is_found_below_the_data_folder(data_folder: Path, make_image: MakeImage, inside: str) -> None:
    make_image(data_folder / inside / "n02123045" / "a.JPEG")
    assert open_source("imagenet").labels.tolist() == [281]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("cifar10", "cifar-10-batches-py"), ("cifar100", "cifar-100-python"), ("imagenet", "val/n01440764")],
)
class TestDataThatAreNotThere:
    def test_below_the_data_folder(self, data_folder: Path, name: str, wanted: str) -> None:
        with pytest.raises(DataError) as caught:
            open_source(name)
        for part in (wanted, str(data_folder / name), "AUTOLA_DATA", f"--data {name}:ROOT"):
            assert part in str(caught.value)

    def test_without_a_data_folder(self, name: str, wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("AUTOLA_DATA", raising=False)
        with pytest.raises(DataError, match=f"{wanted} is, but AUTOLA_DATA is not set; give --data {name}:ROOT"):
            open_source(name)

    def test_below_a_given_root(self, data_folder: Path, name: str, wanted: str) -> None:
        with pytest.raises(DataError) as caught:
            open_source(f"{name}:{data_folder / 'empty'}")
        for part in (wanted.split("/")[0], str(data_folder / "empty"), f"--data {name}:ROOT"):
            assert part in str(caught.value)


def test_unknown_source_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="unknown data source 'cifar-10'; the nearest known: cifar10"):
        open_source("cifar-10")


def test_bare_path_of_a_folder_is_answered_with_how_to_write_it(birds: Path) -> None:
    with pytest.raises(UnknownNameError, match=f"write --data folder:{birds}"):
        open_source(str(birds))


@pytest.mark.parametrize("spec", ["folder", "folder:", "cifar10:"])
def test_path_that_is_missing(spec: str) -> None:
    with pytest.raises(OptionError, match=rf"write --data {spec.rstrip(':')}:PATH"):
        open_source(spec)


def test_path_that_is_superfluous() -> None:
    with pytest.raises(OptionError, match="takes no path"):
        open_source("cluttered-digits:/data")


@pytest.mark.parametrize(
    ("num_classes", "name"), [(10, "cifar10"), (100, "cifar100"), (1000, "imagenet"), (7, None), (0, None)]
)
def test_number_of_classes_suggests_a_source(num_classes: int, name: str | None) -> None:
    assert default_source_for(num_classes) == name
    assert name is None or name in SOURCES
