"""Trainings of detectors in seconds: few scenes, networks of width 4."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from autola_analysis.training.plan import Plan
from autola_analysis.training.recipes import RECIPES
from autola_analysis.training.settings import Machine, Training
from tests.detectors.helpers import TINY_SSD

QUIET = Machine(device="cpu", quiet=True)
LEVELS = {name: value for name, value in TINY_SSD.items() if not name.startswith("backbone")}
SMALL = {"channels": 8, "hidden": 16, "anchor_scale": 4, "finest": 16, "short_side": 64, "long_side": 64, "samples": 16}
OPTIONS = {"scenes-ssd": LEVELS, "scenes-faster-rcnn": SMALL}
FEW = {"train": 24, "test": 6}


@pytest.fixture(autouse=True)
def few_scenes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shrink the embedded data set."""
    monkeypatch.setattr("autola_analysis.data.cluttered_scenes.ClutteredScenes.lengths", FEW)


def tiny(name: str = "scenes-ssd", **values: str) -> Plan:
    """Two epochs of three steps."""
    small = {"width": "4", "epochs": "2", "batch_size": "8", "images": "0", "warmup_steps": "0"}
    small["options"] = json.dumps(OPTIONS[name])
    return RECIPES.get(name).overridden({**small, **values})


@pytest.fixture
def short() -> Callable[..., Training]:
    """Make a training of a detector."""

    def make(
        name: str = "scenes-ssd",
        attention: str = "se",
        init: Path | None = None,
        data: str | None = None,
        **values: str,
    ) -> Training:
        return Training(name, tiny(name, **values), attention, seed=3, init=init, data=data)

    return make
