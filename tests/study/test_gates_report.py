import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from autola_analysis.analyses.gates.result import GATE_COLUMNS
from autola_analysis.analyses.observation import Reading
from autola_analysis.core.errors import LayerError
from autola_analysis.inference.run import Settings
from autola_analysis.study.gates import gates_report
from autola_analysis.study.request import ReportRequest
from autola_analysis.study.sources import DataOptions

QUIET = Reading(Settings(device="cpu", quiet=True))
FEW = DataOptions(limit=20)


def test_the_report_holds_what_other_programs_read_and_names_networks_without_gates(
    checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    files = [f"{name}={checkpoint(name)}" for name in ("none", "se", "cbam")]
    out = tmp_path / "out"
    report = gates_report(ReportRequest(files, out, data=FEW, reading=QUIET))
    gates = pd.read_csv(out / "tables" / "gates.csv")
    assert gates.columns.tolist() == GATE_COLUMNS
    assert gates["model"].unique().tolist() == ["se", "cbam"]
    with np.load(out / "arrays" / "gate_maps.npz") as maps:
        assert maps["cbam/1/layer1.0.attention/spatial_gate"].shape == (32, 32)
    record = json.loads((out / "run.json").read_text())
    assert record["analysis"] == "gates"
    assert list(report.warnings) == record["warnings"]
    assert any(warning.startswith("none is left out: the network has no gates") for warning in report.warnings)
    assert "none is left out" in (out / "index.html").read_text()
    assert (out / "figures" / "gates.pdf").stat().st_size > 1000


def test_networks_without_any_gates_are_refused(checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(LayerError, match="none of the networks has attention gates"):
        gates_report(ReportRequest([str(checkpoint("none"))], tmp_path / "out", data=FEW, reading=QUIET))
    assert not (tmp_path / "out").exists()
