"""A network that memory cannot hold is refused before it takes any."""

from pathlib import Path

import pytest
import torch

from autola_analysis.core.errors import OptionError
from autola_analysis.training.memory import check_fits
from autola_analysis.training.recipes import RECIPES
from autola_analysis.training.settings import Machine, Training
from autola_analysis.training.trainer import run_training


def test_weights_gradients_and_momentum_have_to_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    monkeypatch.setattr("autola_analysis.training.memory.free_memory", lambda device: 12_000)
    check_fits(1000, cpu)
    with pytest.raises(OptionError, match="a network of 1,001 parameters"):
        check_fits(1001, cpu)
    monkeypatch.setattr("autola_analysis.training.memory.free_memory", lambda device: None)
    check_fits(10**15, cpu)


def test_a_training_of_a_network_without_end_takes_no_memory(tmp_path: Path) -> None:
    recipe = RECIPES.get("cluttered-digits").overridden({"width": "20000"})
    with pytest.raises(OptionError, match=r"takes \d,\d+ GiB to train .* choose a smaller width"):
        run_training(Training("cluttered-digits", recipe), tmp_path / "net", Machine(device="cpu", quiet=True))
    assert list(tmp_path.iterdir()) == []
