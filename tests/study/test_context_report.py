"""The command ``context``: what its report holds, and which of its flags reach the study."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from autola_analysis.analyses.context.options import ContextOptions
from autola_analysis.analyses.context.result import IMAGES, SUMMARY
from autola_analysis.cli import main as entry
from autola_analysis.study.file import StudyFile
from tests.pictures import assert_drawn
from tests.study.asked import asked

KINDS = ["unaltered", "pasted-back", "same-class-background", "other-class-background", "clutter-exchanged"]


def test_the_report_holds_images_summary_comparison_figures_and_words(
    checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    files = [f"none={checkpoint('none')}", f"HOGA={checkpoint('hoga')}"]
    report = asked("context", files, tmp_path / "out", limit=30, kinds=KINDS[2:], show=2)
    tables = tmp_path / "out" / "tables"
    images, summary = pd.read_csv(tables / "context_images.csv"), pd.read_csv(tables / "context.csv")
    assert images.columns.tolist() == IMAGES.names
    assert summary.columns.tolist() == SUMMARY.names
    assert images["kind"].unique().tolist() == summary["kind"].unique().tolist() == KINDS
    assert images.groupby(["model", "kind"]).size().loc["none", "unaltered"] == 30
    comparison = pd.read_csv(tables / "comparison.csv").set_index("statistic")
    wide = images.pivot(index=["model", "image"], columns="kind", values="score")
    drops = wide["pasted-back"] - wide[KINDS[3]]
    expected = drops["HOGA"].mean() - drops["none"].mean()
    assert comparison.loc[f"score_drop {KINDS[3]}", "value"] == pytest.approx(expected, abs=1e-9)
    accuracy = pd.read_csv(tables / "accuracy.csv").set_index("model")["top1"]
    unaltered = images[images["kind"] == "unaltered"].groupby("model")["correct"].mean()
    assert accuracy.to_dict() == pytest.approx(unaltered.to_dict(), abs=1e-12)
    assert_drawn(tmp_path / "out" / "figures" / "context")
    assert_drawn(tmp_path / "out" / "figures" / "context_images")
    assert (tables / "context.tex").exists()
    with np.load(tmp_path / "out" / "arrays" / "context_pictures.npz") as arrays:
        np.testing.assert_array_equal(arrays["0/unaltered"], arrays["0/pasted-back"])
        assert arrays[f"1/{KINDS[3]}"].shape == (32, 32, 3)
    page = (tmp_path / "out" / "index.html").read_text()
    assert "the paper offers context as an explanation and does not test it" in page
    assert "[@xiao2021]" in (tmp_path / "out" / "methods.md").read_text()
    assert "@inproceedings{xiao2021," in (tmp_path / "out" / "references.bib").read_text()
    assert report.results.of["context"].settings["kinds"] == KINDS[2:]


def test_a_report_on_boxes_says_so(checkpoint: Callable[..., Path], tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("autola_analysis.data.cluttered_digits.ClutteredDigits.scene", lambda *_: None)
    monkeypatch.setattr("autola_analysis.data.cluttered_digits.ClutteredDigits.mask", lambda *_: None)
    names = [f"test/{number:06d}" for number in range(2000)]
    content = {
        "images": [{"id": number, "file_name": name} for number, name in enumerate(names)],
        "annotations": [{"image_id": number, "bbox": [8, 8, 16, 16]} for number in range(2000)],
    }
    (tmp_path / "boxes.json").write_text(json.dumps(content))
    asked("context", [checkpoint("none")], tmp_path / "out", limit=20, boxes=tmp_path / "boxes.json")
    caption = (tmp_path / "out" / "figures" / "context.caption.txt").read_text()
    assert "The object is its box, a rectangle." in caption
    assert "the object pasted back on its own surroundings" in caption
    methods = (tmp_path / "out" / "methods.md").read_text()
    assert "Objects were cut out along their boxes" in methods
    assert "gortler1996" in (tmp_path / "out" / "references.bib").read_text()
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert any("clutter-exchanged is left out" in warning for warning in record["warnings"])


def test_every_flag_of_the_command_reaches_the_study(
    monkeypatch: pytest.MonkeyPatch, checkpoint: Callable[..., Path]
) -> None:
    seen: list[StudyFile] = []
    monkeypatch.setattr("autola_analysis.study.run.run_study", lambda study, *_, **__: seen.append(study))
    file = str(checkpoint("se"))
    assert entry._run(["context", "--ckpt", file, "--quiet"], False) == 0
    flags = "--kinds object-only,clutter-exchanged --blur 0.2 --boxes b.json --show 2 --limit 9 --quiet"
    assert entry._run(["context", "--ckpt", file, *flags.split()], False) == 0
    plain, full = (study.analyses[0].options for study in seen)
    assert plain == ContextOptions()
    assert full == ContextOptions(kinds=["object-only", "clutter-exchanged"], blur=0.2, boxes="b.json", show=2, limit=9)
