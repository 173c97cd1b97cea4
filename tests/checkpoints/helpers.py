import random
from collections.abc import Mapping

import torch
from torch import Tensor, nn


def randomise(model: nn.Module, seed: int = 0) -> nn.Module:
    """Give every parameter and statistic a value of its own, so that no swapped tensor goes unnoticed."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name.endswith("running_var"):
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
            elif name.endswith(("running_mean", "bias")):
                tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.1)
            elif tensor.ndim == 1:
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
    return model.eval()


def rename(state: Mapping[str, Tensor], *pairs: tuple[str, str]) -> dict[str, Tensor]:
    """Return the state dict with parts of names replaced, in shuffled order."""
    renamed = {}
    for name, tensor in random.Random(0).sample(list(state.items()), len(state)):
        for old, new in pairs:
            name = name.replace(old, new)
        renamed[name] = tensor
    return renamed


def logits(model: nn.Module, side: int = 32, images: int = 2) -> Tensor:
    """Return a model's output on fixed images."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        return model(torch.randn(images, 3, side, side, generator=generator))
