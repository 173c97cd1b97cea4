"""Small random networks as files."""

from pathlib import Path

import torch

from autola_analysis.backbones import ModelSpec
from autola_analysis.checkpoints import save_model
from autola_analysis.data import ClutteredDigits, Preprocessing


def write_network(
    folder: Path, attention: str = "none", seed: int = 0, name: str | None = None, num_classes: int = 10
) -> Path:
    """Write a small random ResNet-8 with an attention and return the file."""
    torch.manual_seed(seed)
    spec = ModelSpec("resnet8", attention, num_classes, {"width": 8})
    return save_model(
        folder / f"{name or attention}{seed}.safetensors",
        spec.build(),
        spec,
        classes=ClutteredDigits("test", 1).classes if num_classes == 10 else None,
        preprocessing=Preprocessing(),
        source="cluttered-digits",
    )
