"""Simulations of studies: their rates, their table."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import coverage
from benchmarks.simulations.simulation import Rate, Simulation, rates


def coin(generator: np.random.Generator) -> dict[str, bool]:
    return {"heads": bool(generator.random() < 0.5), "always": True}


COIN = Simulation("a coin", {"heads": (0.4, 0.6), "always": (0.0, 0.9)}, coin)


def test_a_study_depends_on_seed_and_number_alone() -> None:
    assert rates(COIN, 60, seed=3) == rates(COIN, 60, seed=3, processes=2)
    assert rates(COIN, 60, seed=3) != rates(COIN, 60, seed=4)


def test_the_interval_of_a_rate_is_exact() -> None:
    low, high = Rate(0, 20).interval()
    assert (low, high) == pytest.approx((0, 1 - 0.025 ** (1 / 20)))


def test_a_table_says_what_lies_outside_its_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(coverage, "questions", lambda: {"coins": [COIN]})
    assert coverage.main(["--replicates", "200", "--processes", "1", "--out", str(tmp_path / "coverage.md")]) == 0
    text = (tmp_path / "coverage.md").read_text()
    assert "200 studies" in text
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| a coin")]
    assert [(row[1], row[-1]) for row in rows] == [("heads", "yes |"), ("always", "no |")]
    assert "1.000" in capsys.readouterr().out
