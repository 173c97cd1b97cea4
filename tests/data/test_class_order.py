"""Classes in the order of a head."""

from pathlib import Path

import numpy as np
import pytest

from autola_analysis.core.errors import DataError
from autola_analysis.data import ImageFolderSource
from autola_analysis.data.class_order import Reordered
from autola_analysis.study.file import DataTable
from autola_analysis.study.sources import open_data
from tests.data.conftest import write_image


@pytest.fixture
def trees(tmp_path: Path) -> ImageFolderSource:
    """Folders whose sorted order is ash, elm, fir."""
    for name, count in (("ash", 1), ("elm", 2), ("fir", 3)):
        for number in range(count):
            write_image(tmp_path / "trees" / name / f"{number}.png")
    return ImageFolderSource(tmp_path / "trees")


@pytest.mark.parametrize("order", [("fir", "ash", "elm"), ("elm", "oak", "fir", "ash", "yew")])
def test_labels_follow_the_order_and_images_stay(trees: ImageFolderSource, order: tuple[str, ...]) -> None:
    source = Reordered(trees, order)
    assert source.classes == order
    assert [order[label] for label in source.labels] == [Path(name).parent.name for name in trees.ids]
    assert source.labels.dtype == np.int64
    assert list(source.ids) == list(trees.ids)
    assert np.array_equal(np.asarray(source.image(4)), np.asarray(trees.image(4)))
    assert source.fingerprint() != trees.fingerprint() != Reordered(trees, order[::-1]).fingerprint()
    assert source.fingerprint() != Reordered(trees, order[::-1]).fingerprint()


def test_an_order_that_is_none_is_refused(trees: ImageFolderSource) -> None:
    with pytest.raises(DataError, match=r"has no 'elm', which is a class of .* .1 of its 3 classes are missing"):
        Reordered(trees, ("fir", "ash"))
    with pytest.raises(DataError, match="names 'ash' twice"):
        Reordered(trees, ("ash", "fir", "elm", "ash"))


def test_a_study_reads_the_order_beside_it(trees: ImageFolderSource, tmp_path: Path) -> None:
    (tmp_path / "order.txt").write_text("fir\nelm\nash\n")
    table = DataTable(source=f"folder:{trees.root}", class_order="order.txt")
    data = open_data("images", table, str(table.source), tmp_path, 0)
    assert data.source.classes == ("fir", "elm", "ash")
    assert data.source.labels.tolist() == [2, 1, 1, 0, 0, 0]
