"""The report of searches: its tables, figures and words, and that it is drawn again from them."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from autola_analysis.analyses.search_report import rank
from autola_analysis.attention import Genotype
from autola_analysis.core.errors import OptionError
from autola_analysis.data import ImageSource
from autola_analysis.search.result import SearchResult
from autola_analysis.study.redraw import redraw
from tests.analyses.search_report.courses import a_search
from tests.pictures import assert_drawn
from tests.study.asked import asked

FIGURES = [
    "search_agreement",
    "search_entropies",
    *(f"search_{kind}_{n}" for n in (1, 2) for kind in ("alphas", "genotype")),
]


def test_the_report_shows_courses_wirings_and_agreement(checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    folders = [tmp_path / "first", tmp_path / "<second>"]
    for seed, folder in enumerate(folders):
        a_search(seed, drift=1.0 - seed).save(folder)
    out = tmp_path / "out"
    report = asked("search", [f"none={checkpoint('none')}"], out, limit=20, searches=folders)
    for name in FIGURES:
        assert_drawn(out / "figures" / name)
    assert (out / "figures" / "search_alphas_2.caption.txt").read_text().startswith("<second>. Search short, order 1")
    tables = {path.stem: pd.read_csv(path) for path in (out / "tables").glob("search*.csv")}
    assert sorted(tables) == ["search_agreement", "search_edges", "search_epochs", "search_gaps", "searches"]
    assert tables["search_agreement"]["against"].tolist() == ["<second>", "released", "released"]
    assert len(tables["search_epochs"]) == 12
    course = SearchResult.load(folders[1])
    assert tables["search_edges"]["operation"].tolist()[10:] == course.edges["operation"].tolist()
    page = (out / "index.html").read_text()
    assert "2 searches for HOGA&#39;s wiring: " in page
    assert "where chance gives 1.25" in page
    assert "&lt;second&gt;: the search has not decided: on " in page
    assert "<second>" not in page
    assert any(warning.startswith("<second>: the search has not decided") for warning in report.warnings)
    assert "[@zela2020]" in (out / "methods.md").read_text()
    assert "{zela2020," in (out / "references.bib").read_text()
    assert (out / "tables" / "accuracy.csv").exists()

    for folder in folders:
        folder.rename(folder.with_name(f"{folder.name} moved"))
    before = {name: (out / "figures" / f"{name}.png").read_bytes() for name in FIGURES}
    redraw(out, quiet=True)
    assert {name: (out / "figures" / f"{name}.png").read_bytes() for name in FIGURES} == before


def test_without_a_search_the_page_says_how_to_name_one(checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    asked("search", [f"none={checkpoint('none')}"], tmp_path / "out", limit=10)
    assert (
        "No search was given: name the folders of searches, --searches DIR,DIR."
        in (tmp_path / "out" / "index.html").read_text()
    )


def test_networks_are_ranked_by_a_search(
    checkpoint: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_for: list[list[Genotype]] = []

    def accuracies(
        supernet: object, train: ImageSource, seed: int, wirings: list[Genotype], *more: object
    ) -> list[float]:
        assert (train.name, train.split, seed, more[0]) == ("cluttered-digits", "train", 1, 50)
        asked_for.append(wirings)
        return [0.1 * place for place in range(len(wirings))]

    monkeypatch.setattr(rank, "one_shot_accuracies", accuracies)
    monkeypatch.setattr(rank, "load_model", lambda path, device: path)
    folder, out = tmp_path / "found", tmp_path / "out"
    a_search(1).save(folder)
    files = [f"hoga={checkpoint('hoga', seed)}" for seed in (0, 1)]
    files += [f"random={checkpoint('hoga-random', seed)}" for seed in (0, 1)]
    options = {"searches": [folder], "rank": True, "searched": "cluttered-digits", "one_shot_images": 50}
    asked("search", [*files, f"none={checkpoint('none')}"], out, limit=30, **options)
    (wirings,) = asked_for
    assert len(wirings) == len(set(wirings)) == 2  # both random ones are of one seed
    rows = pd.read_csv(out / "tables" / "search_ranking.csv")
    assert rows["model"].tolist() == ["hoga", "hoga", "random", "random"]
    assert rows["one_shot"].tolist() == [0.0, 0.0, 0.1, 0.1]
    accuracy = pd.read_csv(out / "tables" / "accuracy.csv")
    assert rows["stand_alone"].tolist() == accuracy[accuracy["model"] != "none"]["top1"].tolist()
    (summary,) = pd.read_csv(out / "tables" / "search_ranking_summary.csv").to_dict("records")
    assert (summary["wirings"], summary["networks"]) == (2, 4)
    assert_drawn(out / "figures" / "search_ranking")
    page = (out / "index.html").read_text()
    assert "With 2 wirings tau cannot be told from zero unless it is large" in page
    assert "No wiring was trained twice" not in page
    assert "[@yu2020]" in (out / "methods.md").read_text()
    before = (out / "figures" / "search_ranking.png").read_bytes()
    redraw(out, quiet=True)
    assert (out / "figures" / "search_ranking.png").read_bytes() == before


def test_a_ranking_of_nothing_is_refused(checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="--rank ranks wirings of networks by searches; give --searches DIR and"):
        asked("search", [f"none={checkpoint('none')}"], tmp_path / "out", limit=10, rank=True)
