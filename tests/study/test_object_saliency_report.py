"""Detectors explained by their command, from one photograph and on annotated objects; one report."""

import json
from pathlib import Path

import pandas as pd
import pytest

from autola_analysis.analyses.saliency.objects.result import OBJECTS, object_metric_table
from autola_analysis.cli import main as entry
from autola_analysis.core.tables import read_table
from autola_analysis.study.redraw import redraw
from tests.pictures import assert_drawn
from tests.study.asked import asked
from tests.study.test_detection_report import data

LOW = 0.06
METHODS = ["grad-cam", "odam", "guided-backprop"]


def test_a_report_of_annotated_objects_is_complete_and_drawn_again(
    detectors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [f"plain={detectors / 'none.pth'}", f"HOGA={detectors / 'hoga.pth'}"]
    out = tmp_path / "out"
    asked("saliency", files, out, data=data(detectors), limit=2, show=1)
    objects = read_table(out, OBJECTS)
    assert objects["model"].unique().tolist() == ["plain", "HOGA", "chance"]
    networks = objects[objects["model"] != "chance"]
    assert networks["method"].unique().tolist() == [*METHODS, "predicted-box", "predicted-gaussian"]
    assert objects["energy_box"].notna().all()
    stored = pd.read_csv(out / "tables" / "saliency_object_metrics.csv", keep_default_na=False, na_values=[""])
    pd.testing.assert_frame_equal(object_metric_table(objects, 0), stored.fillna({"layer": ""}), check_dtype=False)
    for name in ("saliency_objects", "saliency_image_1"):
        assert_drawn(out / "figures" / name)
    assert not (out / "figures" / "saliency_image_2.png").exists()
    page, words = ((out / name).read_text() for name in ("index.html", "methods.md"))
    assert "Where the networks look when they find objects" in page
    assert "object discrimination index [@zhao2023]" in words
    assert "zhao2023" in (out / "references.bib").read_text()
    record = json.loads((out / "run.json").read_text())
    assert [each["spec"]["kind"] for each in record["models"]] == ["ssd300"] * 2
    caption = (out / "figures" / "saliency_objects.caption.txt").read_text()
    assert "Grad-CAM, ODAM, Guided backpropagation for plain, HOGA" in caption
    redraw(out, quiet=True)
    assert (out / "figures" / "saliency_objects.caption.txt").read_text() == caption


@pytest.fixture
def street(detectors: Path) -> Path:
    return next(detectors.rglob("*.png"))


def test_one_photograph_is_enough(detectors: Path, street: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    asked("saliency", [f"{detectors / 'hoga.pth'}"], out, images=[str(street)], threshold=LOW, most=2, anonymous=True)
    objects = read_table(out, OBJECTS)
    assert (objects["image"].nunique(), objects["object"].nunique()) == (1, 2)
    assert str(detectors) not in objects["image"][0]
    assert objects["class"].isin(["red", "green"]).all()
    assert (objects["probability"] > LOW).all()
    for name in ("saliency_objects", "saliency_image_1"):
        assert_drawn(out / "figures" / name)


def test_where_nothing_is_detected_the_report_says_so(detectors: Path, street: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    report = asked("saliency", [f"{detectors / 'none.pth'}"], out, images=[str(street)], threshold=1)
    assert "detects nothing with a probability above 1 in any image" in report.warnings[-1]
    assert "detects nothing with a probability above 1" in (out / "index.html").read_text()
    redraw(out, quiet=True)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--images", "no.jpg"], "there is no image no.jpg"),
        (["--images", "text.jpg"], "text.jpg cannot be read as an image"),
        (["--images", "street", "--grid", "receptive-field"], "--grid is for classifiers"),
        (["--images", "street", "--normalize", "imagenet"], "a detector's file takes no normalize"),
        (["--images", "street", "--layer", "backbone.body.layer9"], "no layer 'backbone.body.layer9'"),
        (["--data", "cluttered-digits"], "holds a detector, and the data are images with a label each"),
    ],
)
def test_bad_input_is_one_sentence_before_the_pass(
    detectors: Path, street: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    flags: list[str], message: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.jpg").write_text("no image")
    given = [str(street) if flag == "street" else flag for flag in flags]
    command = [
        "saliency",
        "--ckpt",
        str(detectors / "none.pth"),
        *given,
        "--out",
        "out",
        "--no-cache",
        "--device",
        "cpu",
    ]
    monkeypatch.setattr("sys.argv", ["autola-analyze", *command])
    with pytest.raises(SystemExit) as ended:
        entry.main()
    assert ended.value.code == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert message in error
    assert not (tmp_path / "out").exists()
