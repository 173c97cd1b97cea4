"""``autola-analyze train`` of a detector, and what other commands make of its checkpoint."""

import json
from pathlib import Path

import pandas as pd
import pytest

from autola_analysis.analyses.evaluate.detection.result import DETECTION_TABLE
from autola_analysis.cli import main as entry
from tests.training.detection.conftest import OPTIONS


def test_a_detector_is_trained_inspected_and_evaluated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "ssd.safetensors"
    small = ["epochs=1", "batch_size=8", "width=4", f"options={json.dumps(OPTIONS['scenes-ssd'])}"]
    changes = [part for change in small for part in ("--set", change)]
    arguments = ["scenes-ssd", "--attention", "se", "--out", str(out), "--device", "cpu", "--no-progress", *changes]
    assert entry._run(["train", *arguments], debug=False) == 0
    assert f"{out}: test AP " in capsys.readouterr().out
    assert entry._run(["inspect", str(out)], debug=False) == 0
    shown = capsys.readouterr().out
    assert "ssd300, " in shown
    assert "trained on     cluttered-scenes" in shown
    report = tmp_path / "report"
    command = ["evaluate", "--ckpt", str(out), "--out", str(report), "--device", "cpu", "--quiet"]
    assert entry._run(command, debug=False) == 0
    (row,) = pd.read_csv(report / "tables" / f"{DETECTION_TABLE.name}.csv").query("metric == 'ap'").to_dict("records")
    assert (row["model"], row["images"]) == ("ssd", 6)
