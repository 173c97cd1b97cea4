"""In which memory format a network can be trained."""

from __future__ import annotations

import torch
from torch import nn

NARROW = 8
"""Input channels below which a pointwise convolution with a stride cannot be trained in channels-last memory"""


def training_format(network: nn.Module) -> torch.memory_format:
    """Return the memory format to train a network in: channels-last, which is faster, where torch can.

    On processors with AVX2 and without AVX-512, the gradient of the weights of a pointwise convolution with a stride
    and 2 to 7 input channels writes beyond its memory in channels-last format (torch 2.14), and the process crashes.
    """
    crashes = any(
        isinstance(module, nn.Conv2d)
        and set(module.kernel_size) == {1}
        and set(module.stride) != {1}
        and module.in_channels < NARROW
        for module in network.modules()
    )
    return torch.contiguous_format if crashes else torch.channels_last
