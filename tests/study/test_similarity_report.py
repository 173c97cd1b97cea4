"""The report of similarity: its tables, figure and words, and that its numbers follow from its arrays."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from autola_analysis.analyses.similarity.baseline import BASELINE, VARIANTS
from autola_analysis.analyses.similarity.cka import cka_of
from autola_analysis.analyses.similarity.result import LAYERS
from tests.pictures import assert_drawn
from tests.study.asked import asked


def test_the_report_holds_what_its_numbers_are_made_of_and_says_how_to_read_them(
    checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    files = [f"{name}={checkpoint(name, seed)}" for name in ("none", "se") for seed in (0, 1)]
    out = tmp_path / "out"
    asked("similarity", files, out, limit=30)
    tables = {
        name: pd.read_csv(out / "tables" / f"{name}.csv")
        for name in ("similarity", "similarity_variants", "similarity_baseline")
    }
    assert [frame.columns.tolist() for frame in tables.values()] == [LAYERS.names, VARIANTS.names, BASELINE.names]
    with np.load(out / "arrays" / "similarity_hsic.npz") as arrays:
        cka, places = cka_of(arrays["hsic"]), json.loads(str(arrays["about"]))["places"]
    rows = tables["similarity"]
    assert len(rows) == 12 * 11 // 2
    for row in rows.to_dict("records"):
        one = places.index([row["model"], str(row["run"]), row["layer"]])
        other = places.index([row["against"], str(row["against_run"]), row["against_layer"]])
        assert row["cka"] == pytest.approx(cka[one, other], abs=1e-12)
        assert row["ci_low"] < row["cka"] < row["ci_high"]
    assert tables["similarity_baseline"]["layer"].tolist() == ["layer1", "layer2", "layer3"]
    assert set(tables["similarity_baseline"]["scope"]) == {"checkpoints"}
    assert (out / "tables" / "similarity_baseline.tex").exists()
    assert not (out / "tables" / "comparison.csv").exists()
    assert_drawn(out / "figures" / "similarity")
    assert "grey: two runs of one" in (out / "figures" / "similarity.caption.txt").read_text()
    page = (out / "index.html").read_text()
    assert "the modules differ more than two runs of one module do" in page
    assert "is our question, not the paper" in page
    methods = (out / "methods.md").read_text()
    assert "[@kornblith2019]" in methods
    assert "{kornblith2019," in (out / "references.bib").read_text()


def test_without_a_second_run_the_page_says_that_nothing_can_be_concluded(
    checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    files = [f"none={checkpoint('none')}", f"se={checkpoint('se')}"]
    asked("similarity", files, tmp_path / "out", limit=20)
    page = (tmp_path / "out" / "index.html").read_text()
    assert "none has a single training run here, so that nothing can be concluded" in page
    assert "the modules differ more than two runs" not in page
    assert "grey" not in (tmp_path / "out" / "figures" / "similarity.caption.txt").read_text()
    baseline = pd.read_csv(tmp_path / "out" / "tables" / "similarity_baseline.csv")
    assert set(baseline["reading"]) == {"no baseline"}
    assert "a baseline is missing" in (tmp_path / "out" / "methods.md").read_text()


def test_a_single_checkpoint_shows_its_layers_against_each_other(
    checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    report = asked("similarity", [checkpoint("none")], tmp_path / "out", limit=20, minibatch=7)
    assert len(pd.read_csv(tmp_path / "out" / "tables" / "similarity.csv")) == 3
    assert_drawn(tmp_path / "out" / "figures" / "similarity")
    assert "3 random minibatches of equal size [@nguyen2021]" in (tmp_path / "out" / "methods.md").read_text()
    assert report.results.of["similarity"].settings["left_out"] == 2
