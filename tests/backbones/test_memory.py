"""The memory format that networks are trained in."""

import pytest
import torch
from torch import nn

from autola_analysis.backbones import create_model
from autola_analysis.backbones.memory import training_format


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (create_model("resnet20", "hoga", 10), torch.channels_last),
        (create_model("resnet20", num_classes=10, width=8), torch.channels_last),
        (create_model("resnet20", num_classes=10, width=4), torch.contiguous_format),  # its shortcuts read 4 channels
        (nn.Conv2d(3, 8, 3, stride=2), torch.channels_last),
        (nn.Conv2d(4, 8, 1), torch.channels_last),
        (nn.Conv2d(7, 8, 1, stride=(1, 2)), torch.contiguous_format),
    ],
)
def test_networks_whose_training_would_crash_in_channels_last_memory_are_trained_in_the_usual_one(
    network: nn.Module, expected: torch.memory_format
) -> None:
    assert training_format(network) == expected
