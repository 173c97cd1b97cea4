import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from autola_analysis.cli import main as entry
from autola_analysis.core.errors import AutolaError, OptionError, ReportError
from autola_analysis.core.files import sha256_of
from autola_analysis.report.accuracy import MeasuredModel, accuracy_table, read_accuracy
from autola_analysis.report.embedding import read_embeddings
from autola_analysis.report.gates import read_gates
from autola_analysis.report.redraw import redraw
from autola_analysis.report.saliency import read_saliency
from autola_analysis.report.sanity import read_sanity
from autola_analysis.report.selectivity import read_selectivity
from tests.report.conftest import Results

LAYOUT_ALONE = '{"layout": {"title": "t", "data": "d"}}'


@pytest.fixture(scope="module")
def whole(make_report: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_report(tmp_path_factory.mktemp("report") / "out")


@pytest.fixture
def report(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "out"))


def hashes(report: Path) -> dict[str, str]:
    return {str(path.relative_to(report)): sha256_of(path) for path in report.rglob("*") if path.is_file()}


def arrays_of(result: object) -> Iterator[tuple[str, np.ndarray]]:
    for name, value in vars(result).items():
        if name in ("fold_means", "samples"):  # what only a comparison needs
            continue
        if isinstance(value, np.ndarray):
            yield name, value
        elif isinstance(value, dict):
            yield from ((f"{name}/{key}", array) for key, array in value.items() if isinstance(array, np.ndarray))


def assert_same_result(found: object, expected: object) -> None:
    assert type(found) is type(expected)
    for name, array in arrays_of(expected):
        np.testing.assert_array_equal(dict(arrays_of(found))[name], array)
    for name, value in vars(expected).items():
        if name == "warnings":  # they are in run.json
            continue
        if isinstance(value, pd.DataFrame):
            assert_same_table(getattr(found, name), value)
        elif isinstance(value, (str, int, tuple)) or value is None:
            assert getattr(found, name) == value, name
        elif name in ("settings", "params"):
            assert getattr(found, name) == json.loads(json.dumps(value))


def assert_same_table(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, check_exact=True)


def test_results_are_read_as_they_were_written(whole: Path, results: Results, measured: list[MeasuredModel]) -> None:
    for read, expected in (
        (read_selectivity, results.selectivity),
        (read_embeddings, results.embeddings),
        (read_gates, results.gates),
    ):
        found = read(whole)
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same_result(one, other)
    assert_same_table(read_sanity(whole)[results.sanity.columns], results.sanity)
    assert_same_table(read_accuracy(whole), accuracy_table(measured))


def test_pictures_and_maps_are_read_as_they_were_written(whole: Path, results: Results) -> None:
    found = read_saliency(whole)
    assert_same_table(found.images, results.saliency.images)
    assert_same_table(found.metrics, results.saliency.metrics)
    for one, other in zip(found.pictures, results.saliency.pictures, strict=True):
        assert (one.image, one.label, one.target) == (other.image, other.label, other.target)
        np.testing.assert_array_equal(one.pixels, other.pixels)
        np.testing.assert_array_equal(np.asarray(one.mask), np.asarray(other.mask))
        for panel, written in zip(one.panels, other.panels, strict=True):
            np.testing.assert_array_equal(panel.map, written.map)
            assert (panel.variant, panel.run, panel.layer) == (written.variant, written.run, written.layer)
            assert (panel.predicted, panel.probability) == (written.predicted, written.probability)


def test_redrawing_an_untouched_report_gives_the_same_files(report: Path) -> None:
    before, record = hashes(report), json.loads((report / "run.json").read_text())
    redraw(report)
    after, again = hashes(report), json.loads((report / "run.json").read_text())
    page = "index.html"  # its plots are numbered by chance
    assert again["outputs"].pop(page) == after.pop(page)
    record["outputs"].pop(page)
    assert again == record
    assert sorted(name for name in before if before[name] != after.get(name)) == [page, "run.json"]
    assert after.keys() | {page} == before.keys() >= {"figures/saliency.png", "figures/gates.pdf", page}


def test_another_width_draws_other_figures_of_the_same_numbers(report: Path) -> None:
    before = hashes(report)
    (report / "notes.txt").write_text("mine")
    assert entry._run(["redraw", str(report), "--width", "3", "--quiet"], False) == 0
    after = hashes(report)
    record = json.loads((report / "run.json").read_text())
    assert Image.open(report / "figures" / "selectivity.png").size[0] == 3 * 300
    assert record["layout"]["width"] == "3"
    assert record["outputs"]["index.html"] == after["index.html"] != before["index.html"]
    kept = [name for name in before if name.startswith(("tables/", "arrays/"))]
    assert [before[name] for name in kept] == [after[name] for name in kept]
    assert (report / "notes.txt").read_text() == "mine"


def change(report: Path, name: str, content: str) -> None:
    (report / name).write_text(content)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda r: (r / "run.json").unlink(), "holds no report: there is no run.json"),
        (lambda r: (r / "run.json").write_text("{"), "cannot be read as a run record"),
        (lambda r: (r / "run.json").write_text("[]"), "is no run record"),
        (lambda r: (r / "run.json").write_text("{}"), r"does not say how to draw \(layout\)"),
        (lambda r: (r / "run.json").write_text(LAYOUT_ALONE), r"does not say how to draw \(outputs\)"),
        (lambda r: (r / "tables" / "gates.csv").unlink(), "tables/gates.csv is missing"),
        (lambda r: change(r, "tables/sanity.csv", "model\n"), "sanity.csv in .* is not what the run wrote"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_one_sentence_and_nothing_changes(
    report: Path, damage: Callable[[Path], object], message: str
) -> None:
    damage(report)
    before = hashes(report)
    with pytest.raises(ReportError, match=message) as raised:
        redraw(report)
    assert "\n" not in str(raised.value)
    assert hashes(report) == before
    assert [path.name for path in report.parent.iterdir()] == [report.name]


def test_a_width_that_is_none_is_refused(report: Path) -> None:
    with pytest.raises(OptionError, match="width is"):
        redraw(report, "wide")
    assert issubclass(OptionError, AutolaError)
