import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from autola_analysis.analyses.embedding import optimise as one_run
from autola_analysis.analyses.embedding.tables import QUALITY
from autola_analysis.core.errors import DataError, OptionError, ReportError, UnknownNameError
from autola_analysis.core.files import sha256_of
from autola_analysis.report.ownership import TOOL
from autola_analysis.report.record import write_record
from autola_analysis.study.run import StudyReport
from tests.pictures import assert_drawn
from tests.study.asked import QUIET, asked


@pytest.fixture(autouse=True)
def few_iterations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_run, "EARLY_ITERATIONS", 25)
    monkeypatch.setattr(one_run, "ITERATIONS", 25)


def embedded(checkpoint: Callable[..., Path], out: Path, **changes: Any) -> StudyReport:
    files = [checkpoint("none", 0), checkpoint("hoga", 0), checkpoint("hoga", 1)]
    checkpoints = [f"none={files[0]}", f"HOGA={files[1]}", f"HOGA={files[2]}"]
    return asked("embedding", checkpoints, out, **{"limit": 40, "processes": 1, **changes})


def test_the_report_holds_what_other_programs_read(checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    report = tmp_path / "report"
    embeddings = embedded(checkpoint, report, seeds=2, seed=3, align=True).results.of["embedding"].embeddings
    quality = pd.read_csv(report / "tables" / "embedding_quality.csv")
    assert quality.columns.tolist() == QUALITY.names
    assert quality[["model", "run"]].drop_duplicates().to_numpy().tolist() == [["none", 1], ["HOGA", 1], ["HOGA", 2]]
    # Of the first run of a variant the features and two planes are rated, of the others the features.
    assert len(quality) == 2 * (3 + 2 * 5) + 3
    assert set(quality["seed"].dropna()) == {3, 4}
    assert set(quality["layer"]) == {"layer3"}
    sweep = pd.read_csv(report / "tables" / "embedding_knn.csv")
    assert set(sweep["k"]) == {1, 5, 10}
    assert len(sweep) == 3 * (2 * (1 + 2) + 1)
    spread = pd.read_csv(report / "tables" / "embedding_seeds.csv")
    assert set(spread["seeds"]) == {2}
    accuracy = pd.read_csv(report / "tables" / "accuracy.csv")
    assert accuracy[["model", "run", "images"]].to_numpy().tolist() == [
        ["none", 1, 40],
        ["HOGA", 1, 40],
        ["HOGA", 2, 40],
    ]
    assert_drawn(report / "figures" / "embedding")
    assert_drawn(report / "figures" / "knn_accuracy", 3.25)
    with np.load(report / "arrays" / "embeddings.npz") as arrays:
        drawn = [each for each in embeddings if each.drawn]
        assert [(each.model, each.run, each.seed) for each in drawn] == [
            (model, "1", seed) for model in ("none", "HOGA") for seed in (3, 4)
        ]
        np.testing.assert_array_equal(arrays["HOGA/1/layer3/4"], drawn[-1].coords)
        assert len(arrays["ids"]) == len(arrays["labels"]) == 40
    record = json.loads((report / "run.json").read_text())
    assert [each["kind"] for each in record["study"]["analyses"]] == ["embedding"]
    found = record["settings"]["embedding"]["embeddings"]
    assert [each["seed"] for each in found] == [3, 4, 3, 4, 3]
    assert found[0]["perplexity"] == 13
    assert len(record["passes"]) == 1
    assert record["outputs"]["arrays/embeddings.npz"] == sha256_of(report / "arrays" / "embeddings.npz")
    assert sum("perplexity 30 needs" in warning for warning in record["warnings"]) == 2
    page = (report / "index.html").read_text()
    assert page.count('<div class="panel">') == 2
    assert page.count("<figure>") == 2  # of the claims and of the accuracies over layers
    assert "no evidence about networks" in page


def test_the_caption_says_what_is_drawn_without_anybodys_path(checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    embedded(checkpoint, tmp_path / "r", align=True, perplexity=7)
    caption = (tmp_path / "r" / "figures" / "embedding.caption.txt").read_text()
    for part in (
        "Barnes-Hut t-SNE", "spatial means of layer3", "40 images of 10 classes", "cluttered-digits, test split",
        "none, HOGA", "Perplexity 7", "seed 0", "Procrustes", "for display only", "drawn at random, every class in",
        "Training run 1 of every network is shown.",
    ):  # fmt: skip
        assert part in caption
    assert str(tmp_path) not in caption
    assert not (tmp_path / "r" / "tables" / "embedding_seeds.csv").exists()


def test_a_second_run_opens_what_the_first_left_in_the_cache(checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    reading = replace(QUIET, cache=tmp_path / "cache")
    first, second = (
        embedded(checkpoint, tmp_path / out, reading=reading).results.of["embedding"].embeddings for out in "ab"
    )
    assert json.loads((tmp_path / "b" / "run.json").read_text())["passes"] == []
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.coords, other.coords)
    assert (tmp_path / "a" / "tables" / "accuracy.csv").read_text() == (
        tmp_path / "b" / "tables" / "accuracy.csv"
    ).read_text()


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"layer": ["layer4"]}, UnknownNameError, "no layer 'layer4'; the nearest: layer3"),
        ({"pool": "max"}, OptionError, "pool is one of mean, flatten"),
        ({"seeds": 0}, OptionError, "seeds is a number from 1 on; found 0"),
        ({"processes": 0}, OptionError, "processes is a number from 1 on; found 0"),
        ({"limit": 9}, DataError, "at least 10 images; 9 images would be looked at"),
        ({"width": "wide"}, OptionError, "width is"),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_is_written(
    checkpoint: Callable[..., Path], tmp_path: Path, changes: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as raised:
        embedded(checkpoint, tmp_path / "out", **changes)
    assert "\n" not in str(raised.value)
    assert {path.suffix for path in tmp_path.iterdir()} == {".safetensors"}


def test_a_report_that_is_there_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    write_record(tmp_path / "out", {"tool": TOOL})
    with pytest.raises(ReportError, match="holds a report already"):
        asked("embedding", ["missing.pth"], tmp_path / "out")
