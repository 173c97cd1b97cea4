"""Trainings of seconds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autola_analysis.cli import main as entry
from autola_analysis.training.recipes import RECIPES
from autola_analysis.training.settings import Machine, Training

QUIET = Machine(device="cpu", quiet=True)


def short(attention: str = "se", options: dict[str, Any] | None = None, **values: str) -> Training:
    """Two epochs of five steps, of a network of width 4."""
    recipe = RECIPES.get("cluttered-digits").overridden({"epochs": "2", "batch_size": "16", "width": "4", **values})
    return Training("cluttered-digits", recipe, attention, seed=3, attention_options=options or {})


@pytest.fixture
def few_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shrink the embedded data set."""
    monkeypatch.setattr("autola_analysis.data.cluttered_digits.DEFAULT_LENGTH", {"train": 80, "test": 20})


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., str]:
    """Call ``autola-analyze train`` with arguments that it refuses; return the one sentence it prints."""

    def call(*arguments: object) -> str:
        monkeypatch.chdir(tmp_path)
        status = entry._run(["train", *map(str, arguments)], debug=False)
        error = capsys.readouterr().err
        assert status == 2
        assert error.startswith("autola-analyze: ")
        assert error.count("\n") == 1
        assert not list(tmp_path.glob("*.training"))
        return error

    return call
