"""One epoch of training on a GPU."""

from pathlib import Path

import pytest
import torch

pytest.importorskip("pytorch_lightning")

from autola_analysis.checkpoints import load_model
from autola_analysis.training.recipes import RECIPES
from autola_analysis.training.settings import Machine, Training
from autola_analysis.training.trainer import run_training
from tests.conftest import GPU_DEVICE

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_an_epoch_leaves_a_checkpoint_that_any_device_reads(
    precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autola_analysis.data.cluttered_digits.DEFAULT_LENGTH", {"train": 80, "test": 20})
    values = {"epochs": "1", "batch_size": "16", "width": "4"}
    training = Training("cluttered-digits", RECIPES.get("cluttered-digits").overridden(values), "hoga", seed=3)
    out = tmp_path / "hoga.safetensors"
    metrics = run_training(training, out, Machine(GPU_DEVICE, precision, quiet=True))
    assert 0 <= metrics["accuracy"] <= 1
    logits = [
        load_model(out, device=device).model(torch.ones(1, 3, 32, 32, device=device)).detach().cpu()
        for device in ("cpu", GPU_DEVICE)
    ]
    torch.testing.assert_close(*logits, rtol=1e-3, atol=1e-3)
