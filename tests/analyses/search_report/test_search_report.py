"""Searches side by side: what is read, refused, counted, and that tables and arrays hold all of it."""

from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch

from autola_analysis.analyses.search_report.analysis import SearchReport, searches_in
from autola_analysis.analyses.search_report.figure import plot_entropies
from autola_analysis.analyses.search_report.result import SearchReportResult
from autola_analysis.analyses.search_report.section import headline, methods
from autola_analysis.core.errors import DataError, OptionError
from autola_analysis.search.unfinished import unfinished_search
from tests.analyses.search_report.courses import NAMES, a_search


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Write a search and return its folder."""

    def write(name: str, **how: float) -> Path:
        a_search(**how).save(tmp_path / name)  # type: ignore[arg-type]
        return tmp_path / name

    return write


@pytest.fixture
def result(folder: Callable[..., Path]) -> SearchReportResult:
    """Two searches that decide, one that does not."""
    return searches_in([folder("a", seed=0), folder("b", seed=1), folder("c", seed=2, drift=0)])


def test_a_summary_counts_what_the_courses_say(result: SearchReportResult) -> None:
    assert result.names == ("a", "b", "c")
    rows = result.summary.to_dict("records")
    for row, search in zip(rows, result.searches, strict=True):
        final = np.exp(search.alphas[-1]) / np.exp(search.alphas[-1]).sum(1, keepdims=True)
        assert row["entropy"] == pytest.approx(-(final * np.log(final)).sum(1).mean() / np.log(9), rel=1e-12)
        assert row["none_weight"] == pytest.approx(final[:, 0].mean(), rel=1e-12)
        chosen = [NAMES[1 + place] for place in final[:, 1:].argmax(1)]
        assert row["wiring"] == ", ".join(chosen)
        assert row["skips"] == chosen.count("skip_connect")
        assert row["hours"] == pytest.approx(6 * 0.5 / 3600)
        assert row["epochs"] == 6
    assert [row["decided"] for row in rows[:2]] == [10, 10]
    assert rows[2]["decided"] < 5
    assert [row["seed"] for row in rows] == [0, 1, 2]


def test_the_headline_says_how_far_searches_agree_beside_chance(result: SearchReportResult) -> None:
    decided = int(result.summary["decided"].sum())
    wirings = [row.split(", ") for row in result.summary["wiring"]]
    shared = [sum(one == other for one, other in zip(*pair, strict=True)) for pair in combinations(wirings, 2)]
    assert headline(result) == (
        f"3 searches for HOGA's wiring: {decided} of 30 edges are decided; two of them share "
        f"{np.mean(shared):.1f} of 10 edges on average, where chance gives 1.25."
    )
    assert headline(SearchReportResult(("a",), result.searches[:1])) == (
        "1 search for HOGA's wiring: 10 of 10 edges are decided."
    )
    assert "searched 3 times by differentiable search [@liu2019] of first order in resnet8, for 6" in methods(result)


def test_what_searches_warned_of_is_said_with_their_names(result: SearchReportResult) -> None:
    (warning,) = SearchReport().warnings(result)
    assert warning.startswith("c: the search has not decided: on ")


def test_tables_and_arrays_hold_all_of_a_result(result: SearchReportResult) -> None:
    analysis = SearchReport()
    again = analysis.restore(analysis.store(result))
    assert again.names == result.names
    for one, other in zip(again.searches, result.searches, strict=True):
        assert np.array_equal(one.alphas, other.alphas)
        assert one.epochs.equals(other.epochs)
        assert one.gaps.equals(other.gaps)
        assert (one.operations, one.settings, one.warnings) == (other.operations, other.settings, other.warnings)
    stored, stored_again = analysis.store(result), analysis.store(again)
    assert all(stored.tables[name].equals(stored_again.tables[name]) for name in stored.tables)
    edges = stored.tables["search_edges"]
    assert edges["search"].tolist() == ["a"] * 10 + ["b"] * 10 + ["c"] * 10
    assert edges["margin"].tolist() == [row for search in result.searches for row in search.edges["margin"]]
    assert [row[0] for row in analysis.lines(result).rows] == ["a", "b", "c"]


def test_folders_that_cannot_be_set_side_by_side_are_refused(folder: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no saved search result"):
        searches_in([tmp_path / "missing"])
    (tmp_path / "more").mkdir()
    with pytest.raises(OptionError, match="two folders of searches are named a; rename one of them"):
        searches_in([folder("a"), folder("more/a")])
    a_search(operations=(*NAMES[:-1], "mine")).save(tmp_path / "other")
    with pytest.raises(OptionError, match="searches are compared that choose from the same operations; found"):
        searches_in([folder("b"), tmp_path / "other"])


def test_a_figure_has_a_line_per_search(result: SearchReportResult) -> None:
    left, right = plot_entropies(result.names, result.searches).axes
    for line, changes, search in zip(left.lines, right.lines, result.searches, strict=True):
        final = np.exp(search.alphas) / np.exp(search.alphas).sum(2, keepdims=True)
        expected = -(final * np.log(final)).sum(2).mean(1) / np.log(9)
        np.testing.assert_allclose(np.asarray(line.get_ydata()), expected, rtol=1e-12)
        assert list(changes.get_ydata()) == search.epochs["changed"].tolist()
    assert left.get_ylim()[0] == 0  # a narrow range would make an open choice look like a decided one


def state(folder: Path, epochs: int = 3) -> Path:
    """Write what a search that was killed leaves, as far as it is read."""
    search = a_search(epochs=epochs)
    folder.mkdir()
    history = {
        "alphas": torch.from_numpy(search.alphas),
        "epochs": search.epochs.drop(columns="epoch").to_dict("records"),
    }
    adam = {"state": {0: {"step": torch.tensor(7.0)}}}
    torch.save({"history": history, "optimizer_states": [{"state": {}}, adam]}, folder / "last.ckpt")
    (folder / "settings.json").write_text(
        '{"name": "short", "backbone": "resnet8", "order": 1, "seed": 0, "epochs": 50, "alpha_learning_rate": 0.01, '
        f'"operations": {str(list(NAMES)).replace(chr(39), chr(34))}}}'
    )
    return folder


def test_the_state_of_a_search_that_has_not_ended_can_be_looked_at(folder: Callable[..., Path], tmp_path: Path) -> None:
    result = searches_in([folder("a"), state(tmp_path / "b.search")])
    assert np.array_equal(result.searches[1].alphas, a_search(epochs=3).alphas)
    assert result.summary["epochs"].tolist() == [6, 3]
    first, *others = result.searches[1].warnings
    assert first == "the search has not ended: this is what it had come to by epoch 3 of 50."
    assert any("alpha can have moved by 0.07 at most" in warning for warning in others)
    analysis = SearchReport()
    again = analysis.restore(analysis.store(result))
    assert again.searches[1].warnings == result.searches[1].warnings


def test_a_state_of_something_else_is_one_sentence(tmp_path: Path) -> None:
    folder = state(tmp_path / "b.search")
    torch.save({"history": {"alphas": torch.zeros(2, 10, 9), "epochs": []}}, folder / "last.ckpt")
    with pytest.raises(DataError, match=r"b\.search does not hold the state of a search; search again"):
        unfinished_search(folder)
