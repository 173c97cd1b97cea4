import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from autola_analysis.analyses.gates.result import GATES
from autola_analysis.core.errors import LayerError
from tests.pictures import assert_drawn
from tests.study.asked import asked


def test_the_report_holds_what_other_programs_read_and_names_networks_without_gates(
    checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    files = [f"{name}={checkpoint(name)}" for name in ("none", "se", "cbam")]
    out = tmp_path / "out"
    report = asked("gates", files, out, limit=20)
    gates = pd.read_csv(out / "tables" / "gates.csv")
    assert gates.columns.tolist() == GATES.names
    assert gates["model"].unique().tolist() == ["se", "cbam"]
    with np.load(out / "arrays" / "gate_maps.npz") as maps:
        assert maps["cbam/1/layer1.0.attention/spatial_gate"].shape == (32, 32)
    record = json.loads((out / "run.json").read_text())
    assert [each["kind"] for each in record["study"]["analyses"]] == ["gates"]
    assert list(report.warnings) == record["warnings"]
    assert any(warning.startswith("the variant 'none' has no gates") for warning in report.warnings)
    assert (
        "has no gates and is left out of their analysis: no feature map is multiplied"
        in (out / "index.html").read_text()
    )
    assert_drawn(out / "figures" / "gates")


def test_networks_without_any_gates_are_refused(checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(LayerError, match="none of the networks has attention gates"):
        asked("gates", [checkpoint("none")], tmp_path / "out", limit=20)
    assert not (tmp_path / "out").exists()
