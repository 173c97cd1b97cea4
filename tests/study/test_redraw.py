"""Drawing a report again: from what the run wrote and nothing else."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from jinja2 import UndefinedError
from PIL import Image

from autola_analysis.analyses.registry import analysis_of, registrations
from autola_analysis.cli import main as entry
from autola_analysis.core.errors import AutolaError, OptionError, ReportError
from autola_analysis.core.files import sha256_of
from autola_analysis.core.results import Stored, read_stored
from autola_analysis.core.tables import read_table
from autola_analysis.study.networks import ACCURACY_TABLE, accuracy_frame
from autola_analysis.study.redraw import redraw
from autola_analysis.study.run import StudyReport

LAYOUT_ALONE = '{"layout": {"title": "t", "data": "d"}}'


@pytest.fixture(scope="module")
def whole(make_report: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_report(tmp_path_factory.mktemp("report") / "out")


@pytest.fixture
def report(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "out"))


def hashes(report: Path) -> dict[str, str]:
    return {str(path.relative_to(report)): sha256_of(path) for path in report.rglob("*") if path.is_file()}


def arrays_of(stored: Stored) -> Iterator[tuple[str, np.ndarray]]:
    """Yield every array of a result with its place."""
    for name, array in stored.large.items():
        yield f"large/{name}", array
    for name, arrays in stored.arrays.items():
        yield from ((f"{name}/{key}", array) for key, array in arrays.values.items())


@pytest.mark.parametrize("name", registrations())
def test_results_are_read_as_they_were_written(whole: Path, written: StudyReport, name: str) -> None:
    analysis = analysis_of(name)
    expected = analysis.store(written.results.of[name])
    found = analysis.store(analysis.restore(read_stored(whole, analysis.format)))
    assert found.tables.keys() == expected.tables.keys()
    for table, frame in expected.tables.items():
        pd.testing.assert_frame_equal(found.tables[table], frame, check_dtype=False, check_exact=True)
    arrays = dict(arrays_of(found))
    assert arrays.keys() == dict(arrays_of(expected)).keys()
    for key, array in arrays_of(expected):
        np.testing.assert_array_equal(arrays[key], array)
    for key, each in expected.arrays.items():
        assert found.arrays[key].about == json.loads(json.dumps(each.about))


def test_accuracies_are_read_as_they_were_written(whole: Path, written: StudyReport) -> None:
    expected = accuracy_frame(written.results.networks)
    pd.testing.assert_frame_equal(read_table(whole, ACCURACY_TABLE), expected, check_dtype=False, check_exact=True)


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


@pytest.mark.parametrize("error", [UndefinedError("'dict object' has no attribute 'row'"), KeyError("layer3")])
def test_tables_that_do_not_fit_together_are_one_sentence_wherever_drawing_meets_them(
    error: Exception, report: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def misfits(*arguments: object) -> None:
        raise error

    before = {path: path.read_bytes() for path in report.rglob("*") if path.is_file()}
    monkeypatch.setattr("autola_analysis.study.redraw.draw_report", misfits)
    with pytest.raises(ReportError, match=rf"is not as a run writes it \({type(error).__name__}: ") as refused:
        redraw(report, quiet=True)
    assert "\n" not in str(refused.value)
    assert {path: path.read_bytes() for path in report.rglob("*") if path.is_file()} == before
