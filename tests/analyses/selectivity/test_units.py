"""The section of extreme units: which are shown, beside which images."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autola_analysis.analyses.selectivity.analysis import Selectivity
from autola_analysis.analyses.selectivity.result import FORMAT, SelectivityResult
from autola_analysis.analyses.selectivity.top_images import TopImages
from autola_analysis.analyses.selectivity.units import mentioned_images, unit_rows, units_section
from autola_analysis.core.results import read_stored, write_stored
from autola_analysis.report.sheet import Sheet
from autola_analysis.report.thumbnails import Thumbnails
from tests.analyses.selectivity.studies import shown_units


def with_tops(model: str, run: str, values: list[float], names: str = "abcdefghijkl") -> SelectivityResult:
    """Return a result whose unit k has the images 2k and 2k + 1."""
    images = np.arange(2 * len(values)).reshape(len(values), 2)
    ids = {number: names[number] for number in images.flatten().tolist()}
    top = TopImages({"layer3": images}, {"layer3": images.astype(np.float32) / 2}, ids)
    return replace(shown_units(model, run, values), top_images=top)


def test_the_most_and_the_least_selective_live_units_of_the_first_run_are_shown() -> None:
    values = [0.3, np.nan, 0.9, 0.1, 0.5, 0.7]
    found = unit_rows([with_tops("SE", "1", values), with_tops("SE", "2", values[::-1]), with_tops("HOGA", "1", [0.2])])
    assert [(row.model, row.kind, row.unit) for row in found] == [
        ("SE", "most", 2), ("SE", "most", 5), ("SE", "least", 0), ("SE", "least", 3), ("HOGA", "most", 0),
    ]  # fmt: skip
    assert (found[0].preferred, found[0].images, found[0].values) == ("class 2", ("e", "f"), (2.0, 2.5))


def test_no_unit_is_both_most_and_least_selective() -> None:
    rows = unit_rows([with_tops("SE", "1", [0.5, 0.5, 0.1])])
    assert [(row.kind, row.unit) for row in rows] == [("most", 0), ("most", 1), ("least", 2)]


def test_top_images_are_read_as_they_were_written_with_the_names_that_are_mentioned(tmp_path: Path) -> None:
    written = [with_tops("SE", "1", [0.5, 0.4]), shown_units("none", "1", [0.5]), with_tops("a/b", "2", [0.5])]
    write_stored(tmp_path, FORMAT, SelectivityResult.together(written))
    found = SelectivityResult.apart(read_stored(tmp_path, FORMAT))
    assert [(each.model, each.run) for each in found] == [("SE", "1"), ("none", "1"), ("a/b", "2")]
    assert found[1].top_images is None or not found[1].top_images.images
    for one, other in ((found[0], written[0]), (found[2], written[2])):
        assert one.top_images is not None
        assert other.top_images is not None
        np.testing.assert_array_equal(one.top_images.images["layer3"], other.top_images.images["layer3"])
        np.testing.assert_array_equal(one.top_images.values["layer3"], other.top_images.values["layer3"])
        assert one.top_images.ids == other.top_images.ids


def test_an_image_without_a_thumbnail_is_named() -> None:
    thumbnails = Thumbnails((b"",), ("bee",), {"selectivity": {"b": 0}, "embedding": {"<a>": 0}})
    body = units_section([with_tops("SE", "1", [0.5], ["<a>", "b"])], thumbnails).body
    assert "<span>&lt;a&gt;</span>" in body
    assert body.count("<img") == 1
    assert 'data-thumbnail="0"' in body
    assert 'alt="bee"' in body


def test_images_of_the_table_become_thumbnails() -> None:
    result = with_tops("SE", "1", [0.5, 0.4, 0.3, 0.2, 0.1])
    assert sorted(mentioned_images([result])) == list("abcdghij")  # unit 2, in the middle, is not shown
    assert list(Selectivity().mentioned([result])) == mentioned_images([result])


@pytest.mark.parametrize("kept", [True, False])
def test_there_is_a_section_where_top_images_were_kept(kept: bool, tmp_path: Path) -> None:
    result = with_tops("SE", "1", [0.5, 0.4])
    result = replace(
        result if kept else replace(result, top_images=None),
        settings={"images_per_class": {"a": 2, "b": 2}, "permutations": 0, "folds": 0, "rectify": False, "auc": False},
    )
    names = [section.name for section in Selectivity().sections([result], Sheet(tmp_path, "digits"))]
    assert names == (["selectivity", "units"] if kept else ["selectivity"])
