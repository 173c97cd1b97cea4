"""The command: tables, figure, page, comparison."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from autola_analysis.analyses.ablation.tables import ABLATION_TABLE, CURVE_TABLE, UNIT_TABLE
from autola_analysis.core.errors import LayerError, UnknownNameError
from tests.pictures import assert_drawn
from tests.study.asked import asked


def test_the_report_holds_what_other_programs_read(checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    files = [f"{name}={checkpoint(name)}" for name in ("none", "se")]
    report = asked("ablation", files, tmp_path / "out", limit=30, value="mean", steps=4)
    for table, rows in ((ABLATION_TABLE, 2 * 9), (CURVE_TABLE, 2 * 3 * 5), (UNIT_TABLE, None)):
        found = pd.read_csv(tmp_path / "out" / "tables" / f"{table.name}.csv")
        assert found.columns.tolist() == table.names
        assert set(found["layer"]) == {"layer3"}
        assert rows in (None, len(found))
    accuracy = pd.read_csv(tmp_path / "out" / "tables" / "accuracy.csv").set_index("model")["top1"]
    measures = pd.read_csv(tmp_path / "out" / "tables" / "ablation.csv").set_index(["model", "measure"])["value"]
    assert measures["none", "accuracy"] == pytest.approx(accuracy["none"])
    comparison = pd.read_csv(tmp_path / "out" / "tables" / "comparison.csv").set_index("statistic")
    expected = measures["se", "loss_random"] - measures["none", "loss_random"]
    assert comparison.loc["loss_random", "value"] == pytest.approx(expected)
    assert_drawn(tmp_path / "out" / "figures" / "ablation")
    page = (tmp_path / "out" / "index.html").read_text()
    assert "Accuracy while units are off" in page
    assert "our question, not the supplement" in page
    assert "set to their mean over the images" in (tmp_path / "out" / "methods.md").read_text()
    assert "zhou2018" in (tmp_path / "out" / "references.bib").read_text()
    assert {each.layer for each in report.results.of["ablation"].networks} == {"layer3"}


def test_layers_that_cannot_be_ablated_are_refused(checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(LayerError, match="layer2 of se cannot be ablated: what follows it is more than"):
        asked("ablation", [f"se={checkpoint('se')}"], tmp_path / "out", limit=20, layers=["layer2"])
    with pytest.raises(UnknownNameError, match="has no layer 'layer9'"):
        asked("ablation", [f"se={checkpoint('se')}"], tmp_path / "out", limit=20, layers=["layer9"])
    assert not (tmp_path / "out").exists()
