"""What a study says of variants of which none has HOGA."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from autola_analysis.analyses.observation import Reading
from autola_analysis.inference.run import Settings
from autola_analysis.study.run import run_study

READING = Reading(Settings(device="cpu", quiet=True), batch_size=16)


@pytest.fixture
def without_hoga(checkpoint: Callable[..., Path]) -> dict[str, Any]:
    return {
        "data": {"digits": {"source": "cluttered-digits", "limit": 20}},
        "models": {name: {"path": str(checkpoint(name))} for name in ("none", "se")},
        "analyses": [{"kind": "selectivity"}],
    }


def test_variants_without_hoga_are_compared_and_nothing_is_claimed_of_them(
    without_hoga: dict[str, Any], tmp_path: Path
) -> None:
    run_study(without_hoga, tmp_path / "out", READING)
    comparison, claims = (pd.read_csv(tmp_path / "out" / "tables" / f"{name}.csv") for name in ("comparison", "claims"))
    assert claims.empty
    assert set(zip(comparison["model"], comparison["against"], strict=True)) == {("se", "none")}
    page = (tmp_path / "out" / "index.html").read_text()
    assert "How the variants differ" in page
    assert "no variant among none, se has HOGA" in page
    assert "What the paper claims" not in page


def test_the_claims_are_decided_for_a_candidate_that_the_user_names(
    without_hoga: dict[str, Any], tmp_path: Path
) -> None:
    run_study({**without_hoga, "candidate": "none"}, tmp_path / "out", READING)
    claims = pd.read_csv(tmp_path / "out" / "tables" / "claims.csv")
    assert set(claims["model"]) == {"none"}
    assert "What the paper claims" in (tmp_path / "out" / "index.html").read_text()
