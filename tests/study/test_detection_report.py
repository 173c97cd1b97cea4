"""Detectors evaluated by their command: checkpoints, objects in COCO's format, another detector's file; one report."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from autola_analysis.analyses.evaluate.detection.result import DETECTION_CLASS_TABLE, DETECTION_TABLE
from autola_analysis.analyses.observation import Reading
from autola_analysis.cli import main as entry
from autola_analysis.core.errors import AutolaError
from autola_analysis.inference.run import Settings
from autola_analysis.study.file import DataTable
from autola_analysis.study.redraw import redraw
from tests.pictures import assert_drawn
from tests.study.asked import asked
from tests.study.conftest import DETECTED


def data(folder: Path, **values: object) -> DataTable:
    return DataTable(source=f"objects:{folder / 'annotations' / 'instances_test.json'}", **values)


def test_the_report_holds_detectors_and_another_detectors_file_in_one_table_and_compares_them(
    detectors: Path, tmp_path: Path
) -> None:
    files = [f"plain={detectors / 'none.pth'}", f"HOGA={detectors / 'hoga.pth'}"]
    reading = Reading(Settings(device="cpu", quiet=True), cache=tmp_path / "cache")
    asking = {"data": data(detectors), "detections": [f"theirs={detectors / 'theirs.json'}"], "reading": reading}
    out = tmp_path / "out"
    report = asked("evaluate", files, out, **asking)
    metrics, per_class = (
        pd.read_csv(out / "tables" / f"{table.name}.csv") for table in (DETECTION_TABLE, DETECTION_CLASS_TABLE)
    )
    assert (metrics.columns.tolist(), per_class.columns.tolist()) == (
        DETECTION_TABLE.names,
        DETECTION_CLASS_TABLE.names,
    )
    assert metrics["model"].unique().tolist() == ["plain", "HOGA", "theirs"]
    assert metrics[metrics["model"] == "theirs"].set_index("metric")["value"]["ap"] == 1
    compared = pd.read_csv(out / "tables" / "comparison.csv")
    ap = compared[compared["statistic"] == "ap"]
    assert ap[["model", "against", "runs"]].to_numpy().tolist() == [
        ["HOGA", "plain", "1 v 1"],
        ["HOGA", "theirs", "1 v 1"],
    ]
    assert ap["ci_low"].notna().all()
    accuracy = pd.read_csv(out / "tables" / "accuracy.csv")
    assert (accuracy["top1"].isna().all(), accuracy["images"].tolist()) == (True, [DETECTED] * 2)
    assert (accuracy["macs"] > 1e6).all()
    record = json.loads((out / "run.json").read_text())
    assert [model["spec"]["kind"] for model in record["models"]] == ["ssd300"] * 2
    assert [model["preprocessing"]["stretch"] for model in record["models"]] == [300] * 2
    page = (out / "index.html").read_text()
    assert "How well the networks find objects" in page
    assert '<th scope="col">top-1</th><th scope="col">parameters' not in page
    for name in ("average_precision", "precision_recall", "class_precision"):
        assert_drawn(out / "figures" / name)
    again = asked("evaluate", files, tmp_path / "again", **asking)
    assert (len(report.results.passes), len(again.results.passes)) == (1, 0)  # the second found the first's pass
    for name in (DETECTION_TABLE.name, "comparison"):
        assert (tmp_path / "again" / "tables" / f"{name}.csv").read_bytes() == (
            out / "tables" / f"{name}.csv"
        ).read_bytes()
    drawn = (out / "figures" / "precision_recall.caption.txt").read_text()
    redraw(out, quiet=True)
    assert (out / "figures" / "precision_recall.caption.txt").read_text() == drawn


def test_intervals_can_be_recomputed_from_the_arrays(detectors: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    asked("evaluate", [f"plain={detectors / 'none.pth'}"], out, data=data(detectors, limit=4))
    metrics = pd.read_csv(out / "tables" / f"{DETECTION_TABLE.name}.csv").set_index("metric")
    with np.load(out / "arrays" / "evaluation_detection_numbers.npz") as arrays:
        values, drawn = arrays["plain/1/metrics"], arrays["plain/1/metrics_drawn"]
    assert int(metrics["images"]["ar100"]) == 4
    place = metrics.index.get_loc("ar100")
    half = 3.1824463 * drawn[:, place].std(ddof=1)  # Student's t with 3 degrees of freedom
    centre = 2 * values[place] - drawn[:, place].mean()
    expected = np.clip([centre - half, centre + half], 0, 1)
    assert metrics.loc["ar100", ["ci_low", "ci_high"]].tolist() == pytest.approx(expected)


def test_the_command_prints_average_precision(
    detectors: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["evaluate", "--ckpt", f"plain={detectors / 'none.pth'}", "--data", str(data(detectors).source),
                 "--detections", f"theirs={detectors / 'theirs.json'}", "--out", tmp_path / "out", "--limit", "3",
                 "--no-cache", "--no-progress", "--device", "cpu"]  # fmt: skip
    assert entry._run([str(argument) for argument in arguments], False) == 0
    printed = capsys.readouterr().out
    assert "AP, 95% interval" in printed
    assert "theirs" in printed
    assert "100.00" in printed


@pytest.mark.parametrize(
    ("analysis", "how", "values", "message"),
    [
        ("similarity", {}, {}, "similarity does not look at networks for detection, such as plain"),
        ("selectivity", {}, {}, "has 0 classes with 10 objects in at least two of the images"),
        ("evaluate", {"crop": ["200"]}, {}, "plain is read as a detector.*takes no crop"),
        ("evaluate", {}, {"class_order": "names.txt"}, "--class-order numbers the labels of images"),
        ("evaluate", {}, {"source": "cluttered-scenes"}, "plain knows no '0', which is a class of cluttered-scenes"),
    ],
)
def test_what_does_not_fit_is_refused_before_the_pass(
    detectors: Path, tmp_path: Path, analysis: str, how: dict[str, list[str]], values: dict[str, str], message: str
) -> None:
    table = data(detectors).model_copy(update=values)
    with pytest.raises(AutolaError, match=message):
        asked(analysis, [f"plain={detectors / 'none.pth'}"], tmp_path / "out", data=table, how=how)
    assert not (tmp_path / "out").exists()


def test_a_classifiers_file_beside_objects_is_refused(detectors: Path, tmp_path: Path) -> None:
    torch.save({"fc.weight": torch.zeros(2, 2)}, tmp_path / "fc.pth")
    with pytest.raises(AutolaError, match="holds no detector that is known here"):
        asked("evaluate", [tmp_path / "fc.pth"], tmp_path / "out", data=data(detectors))
