from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from autola_analysis.backbones import ModelSpec

from .helpers import randomise


@pytest.fixture(scope="session")
def tiny() -> nn.Module:
    """A ResNet-20 without attention, 4 channels wide."""
    torch.manual_seed(0)
    return randomise(ModelSpec("resnet20", num_classes=10, options={"width": 4}).build())


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    """Write an object with torch.save and return the file."""

    def save(content: object, name: str = "model.pth", **options: object) -> Path:
        path = tmp_path / name
        torch.save(content, path, **options)  # type: ignore[arg-type]
        return path

    return save
