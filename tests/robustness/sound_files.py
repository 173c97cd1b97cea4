"""The sound checkpoint files that are changed."""

from pathlib import Path
from typing import Any

import torch

from autola_analysis.backbones import ModelSpec
from autola_analysis.checkpoints import save_model

State = dict[str, Any]
OWN = ("ours.safetensors", "zip.pth", "legacy.th")
FOREIGN = ("resnet20-12fca82f.th", "autola_authors_resnet20.pth", "senet_pytorch_se_resnet20.pth")
"""Files that other projects' code wrote: a legacy pickle, two zip archives."""


def write_bases(folder: Path) -> None:
    """Write the sound files of our own making."""
    torch.manual_seed(0)
    spec = ModelSpec("resnet20", "se", 10, {"width": 8})
    save_model(folder / OWN[0], spec.build(), spec, classes=[str(digit) for digit in range(10)])
    torch.save({"state_dict": state(), "epoch": 12}, folder / OWN[1])
    torch.save(state(), folder / OWN[2], _use_new_zipfile_serialization=False)


def state() -> State:
    """Return the state dict of a small ResNet-20 with SE."""
    generator = torch.random.get_rng_state()
    torch.manual_seed(0)
    model = ModelSpec("resnet20", "se", 10, {"width": 8}).build()
    torch.random.set_rng_state(generator)
    return dict(model.state_dict())
