"""Small problems for the search, as the functions of weights and alpha that it is given."""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autola_analysis.attention import HogaSearch
from autola_analysis.search.architecture import Architecture
from autola_analysis.search.supernet import ALPHA


class TwoModules(nn.Module):
    """A stem, two mixed modules, a head; in float64, in train mode."""

    def __init__(self, seed: int = 0, relu: type[nn.Module] = nn.ReLU) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.architecture = Architecture(seed)
        self.network = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1, bias=False),
            nn.BatchNorm2d(8),
            relu(),
            HogaSearch(8, self.architecture.mixture),
            relu(),
            HogaSearch(8, self.architecture.mixture),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(8, 3),
        )
        self.double().train()
        with torch.no_grad():
            self.architecture.alpha.copy_(torch.randn(10, 9, dtype=torch.float64))

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images)

    def weights(self) -> dict[str, Tensor]:
        return {name: each for name, each in self.named_parameters() if name != ALPHA}

    def loss_of(self, weights: Mapping[str, Tensor], alpha: Tensor, batch: Any) -> Tensor:
        images, labels = batch
        return F.cross_entropy(torch.func.functional_call(self, {**weights, ALPHA: alpha}, (images,)), labels)


def batch(seed: int, images: int = 6) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(images, 3, 8, 8, dtype=torch.float64, generator=generator),
        torch.randint(3, (images,), generator=generator),
    )


def relative(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())
