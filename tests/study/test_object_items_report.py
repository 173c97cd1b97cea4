"""Selectivity, embedding and gates of detectors by objects, in one study: one pass, one report, drawn again."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from autola_analysis.analyses.gates.result import GATES
from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.selectivity.result import SUMMARY
from autola_analysis.cli import main as entry
from autola_analysis.data.coco_export import export_coco
from autola_analysis.inference.run import Settings
from autola_analysis.study.command import command_study
from autola_analysis.study.file import AnalysisRequest, DataTable
from autola_analysis.study.redraw import redraw
from autola_analysis.study.run import run_study
from tests.analyses.objects import Shapes
from tests.pictures import assert_drawn

IMAGES = 18
"""Images with twelve objects of each of three classes"""
TABLES = ("selectivity", "selectivity_summary", "embedding_quality", "gates", "comparison", "claims")
FIGURES = ("selectivity", "embedding", "gates", "object_contrast", "claims")


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("shapes")
    export_coco(Shapes(IMAGES), folder)
    return f"objects:{folder / 'annotations' / 'instances_test.json'}"


def test_one_pass_measures_objects_for_three_analyses(detectors: Path, objects: str, tmp_path: Path) -> None:
    requests = [
        AnalysisRequest.of("selectivity", layers=["backbone.body.layer3"]),
        AnalysisRequest.of("embedding", method="pca", probe=False),
        AnalysisRequest.of("gates"),
    ]
    files = [f"plain={detectors / 'none.pth'}", f"HOGA={detectors / 'hoga.pth'}"]
    study = command_study("selectivity", files, requests, DataTable(source=objects), {})
    out = tmp_path / "out"
    report = run_study(study, out, Reading(Settings(device="cpu", quiet=True)))
    assert len(report.results.passes) == 1
    tables = {name: pd.read_csv(out / "tables" / f"{name}.csv") for name in TABLES}
    assert tables["selectivity_summary"].columns.tolist() == SUMMARY.names
    assert tables["gates"].columns.tolist() == GATES.names
    for name in ("selectivity", "selectivity_summary", "embedding_quality", "gates"):
        assert set(tables[name]["items"]) == {"objects"}
    assert tables["selectivity_summary"][["null_mean", "null_free", "ci_low"]].notna().all(axis=None)
    spatial = tables["gates"].dropna(subset=["object_contrast"])
    assert set(spatial["model"]) == {"HOGA"}
    assert (spatial["object_contrast_low"] < spatial["object_contrast_high"]).all()
    layers = tables["comparison"].set_index("statistic")["layer"]
    assert layers["knn_accuracy"] == "backbone.body.layer3"
    assert tables["comparison"]["ci_low"].notna().any()
    assert set(tables["claims"]["claim"]) == {
        "less class selective in depth (extended to detectors)",
        "more discriminative features (extended to detectors)",
    }
    assert set(tables["claims"]["layer"]) == {"backbone.body.layer3"}
    page = (out / "index.html").read_text()
    for words in ("null_free", "two sheep of one flock", "inside objects less outside", "[of classifiers]"):
        assert words in page
    record = json.loads((out / "run.json").read_text())
    settings = record["settings"]["selectivity"][0]
    assert (settings["objects_per_class"], settings["images"]) == ({"red": 12, "green": 12, "blue": 12}, IMAGES)
    for name in FIGURES:
        assert_drawn(out / "figures" / name)
    pixels = np.asarray(Image.open(out / "figures" / "object_contrast.png").convert("RGB"))
    assert (pixels == (0x00, 0x72, 0xB2)).all(2).any()  # the second variant's colour, though it is drawn alone
    captions = {name: (out / "figures" / f"{name}.caption.txt").read_text() for name in FIGURES}
    redraw(out, quiet=True)
    assert captions == {name: (out / "figures" / f"{name}.caption.txt").read_text() for name in FIGURES}


def test_the_command_prints_numbers_of_objects(
    detectors: Path, objects: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    how = ["--layers", "backbone.body.layer3", "--no-cache", "--no-progress", "--device", "cpu"]
    files = ["--ckpt", f"plain={detectors / 'none.pth'}", "--data", objects, "--out", tmp_path / "out"]
    assert entry._run([str(argument) for argument in ("selectivity", *files, *how)], False) == 0
    printed = capsys.readouterr().out
    assert "corrected, 95% interval" in printed
    assert "top-1" not in printed


def test_a_comparison_on_objects_runs_what_looks_at_detectors(
    detectors: Path, objects: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr("autola_analysis.cli.compare.run_and_show", lambda study, *_, **__: asked.append(study))
    files = [f"--ckpt=plain={detectors / 'none.pth'}", f"--ckpt=HOGA={detectors / 'hoga.pth'}"]
    assert entry._run(["compare", *files, "--data", objects, "--out", str(tmp_path / "out")], False) == 0
    kinds = [request.kind for request in asked[0].analyses]
    assert kinds == ["evaluate", "selectivity", "saliency", "embedding", "gates"]
