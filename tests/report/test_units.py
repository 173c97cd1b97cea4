from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from autola_analysis.analyses.selectivity import SelectivityResult
from autola_analysis.analyses.selectivity.result import UNIT_COLUMNS
from autola_analysis.analyses.top_images import TopImages
from autola_analysis.core.errors import ReportError
from autola_analysis.data import ClutteredDigits
from autola_analysis.inference.accuracy import Accuracy
from autola_analysis.report.mentioned import mentioned_images
from autola_analysis.report.thumbnails import (
    Thumbnail,
    Thumbnails,
    read_thumbnails,
    source_thumbnails,
    write_thumbnails,
)
from autola_analysis.report.units import read_units, unit_rows, units_section, write_units
from tests.report.conftest import Results


def selectivity(model: str, run: str, values: list[float]) -> SelectivityResult:
    """Return a result with one layer of units of the given selectivities; NaN is a dead unit."""
    units = pd.DataFrame(
        {
            "model": model,
            "run": run,
            "layer": "layer3",
            "unit": np.arange(len(values)),
            "selectivity": values,
            "preferred_class": [f"class {unit}" for unit in range(len(values))],
            "mean_preferred": 1.0,
            "mean_rest": 0.5,
            "dead": np.isnan(values),
        }
    )[UNIT_COLUMNS]
    means = {"layer3": np.ones((len(values), 2))}
    return SelectivityResult(model, run, units, pd.DataFrame(), means, ("a", "b"), Accuracy(4, None, None))


def tops(model: str, run: str, units: int) -> TopImages:
    images = np.arange(2 * units).reshape(units, 2)
    return TopImages(model, run, {"layer3": images}, {"layer3": images.astype(np.float32) / 2})


def test_the_most_and_the_least_selective_live_units_of_the_first_run_are_shown() -> None:
    values = [0.3, np.nan, 0.9, 0.1, 0.5, 0.7]
    results = [selectivity("SE", "1", values), selectivity("SE", "2", values[::-1]), selectivity("HOGA", "1", [0.2])]
    found = unit_rows(results, [tops("SE", "1", 6), tops("SE", "2", 6), tops("HOGA", "1", 1)], list("abcdefghijkl"))
    assert [(row.model, row.kind, row.unit) for row in found] == [
        ("SE", "most", 2), ("SE", "most", 5), ("SE", "least", 0), ("SE", "least", 3), ("HOGA", "most", 0),
    ]  # fmt: skip
    assert (found[0].preferred, found[0].images, found[0].values) == ("class 2", ("e", "f"), (2.0, 2.5))


def test_no_unit_is_both_most_and_least_selective() -> None:
    rows = unit_rows([selectivity("SE", "1", [0.5, 0.5, 0.1])], [tops("SE", "1", 3)], list("abcdef"))
    assert [(row.kind, row.unit) for row in rows] == [("most", 0), ("most", 1), ("least", 2)]


def test_top_images_are_read_as_they_were_written_with_the_names_that_are_mentioned(tmp_path: Path) -> None:
    written = [tops("SE", "1", 2), tops("a/b", "2", 1)]
    write_units(tmp_path, written, [f"image {number}" for number in range(9)])
    found, ids = read_units(tmp_path)
    assert [(top.model, top.run) for top in found] == [("SE", "1"), ("a/b", "2")]
    for one, other in zip(found, written, strict=True):
        np.testing.assert_array_equal(one.images["layer3"], other.images["layer3"])
        np.testing.assert_array_equal(one.values["layer3"], other.values["layer3"])
    assert ids == {number: f"image {number}" for number in range(4)}


def test_an_image_without_a_thumbnail_is_named() -> None:
    thumbnails = Thumbnails((b"",), ("bee",), {"units": {"b": 0}, "embedding": {"<a>": 0}})
    body = units_section([selectivity("SE", "1", [0.5])], [tops("SE", "1", 1)], {0: "<a>", 1: "b"}, thumbnails).body
    assert "<span>&lt;a&gt;</span>" in body
    assert body.count("<img") == 1
    assert 'data-thumbnail="0"' in body
    assert 'alt="bee"' in body


def test_thumbnails_are_kept_once_small_and_like_the_images(tmp_path: Path) -> None:
    smooth = np.linspace(0, 255, 200 * 100 * 3).reshape(200, 100, 3).astype(np.uint8)
    other = Thumbnail("x", "dog", smooth[::-1].copy())
    write_thumbnails(
        tmp_path, {"units": [Thumbnail("x", "cat", smooth), *_digits(2)], "embedding": [other, *_digits(1)]}
    )
    found = read_thumbnails(tmp_path)
    assert dict(found.places("units")) == {"x": 0, "test/000000": 1, "test/000001": 2}
    assert dict(found.places("embedding")) == {"x": 3, "test/000000": 1}  # another x, the same digit
    assert found.places("other") == {}
    source = ClutteredDigits("test", 2)
    assert found.titles == ("cat", *(source.classes[label] for label in source.labels), "dog")
    images = [Image.open(BytesIO(jpeg)) for jpeg in found.jpegs]
    assert [image.size for image in images] == [(32, 64), (32, 32), (32, 32), (32, 64)]
    difference = np.asarray(images[1], dtype=float) - np.asarray(source.image(0), dtype=float)
    assert np.abs(difference).mean() < 6


def _digits(count: int) -> list[Thumbnail]:
    return list(source_thumbnails(ClutteredDigits("test", count), range(count)))


def test_images_of_the_table_and_of_the_panels_become_thumbnails(results: Results) -> None:
    ids = [f"image {number}" for number in range(12)]
    rows = {"selectivity": [selectivity("SE", "1", [0.5, 0.4, 0.3, 0.2, 0.1])], "tops": [tops("SE", "1", 5)]}
    assert mentioned_images(ids, **rows) == [0, 1, 2, 3, 6, 7, 8, 9]  # unit 2, in the middle, is not shown
    embedding = replace(results.embeddings[0], ids=(*ids[10:], *map(str, range(28))))
    assert mentioned_images(ids, [embedding]) == [10, 11]
    assert mentioned_images(ids, [embedding], **rows) == [0, 1, 2, 3, 6, 7, 8, 9, 10, 11]


def test_a_report_without_thumbnails_has_none(tmp_path: Path) -> None:
    assert read_thumbnails(tmp_path) == Thumbnails()
    with pytest.raises(ReportError, match=r"no arrays/top_images\.npz"):
        read_units(tmp_path)
