"""Small networks that behave in the ways that matter to taps, folding and analyses."""

from contextlib import AbstractContextManager, nullcontext

import pytest
import torch
from torch import Tensor, nn

from autola_analysis.core.errors import DataError


class Tiny(nn.Module):
    """Two stages of convolution, batch norm and ReLU, with statistics of their own; 10 outputs."""

    def __init__(self, outputs: int = 10) -> None:
        super().__init__()
        self.layer1 = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(inplace=True))
        self.layer2 = nn.Sequential(
            nn.Conv2d(6, 8, 3, padding=1, stride=2, bias=False), nn.BatchNorm2d(8), nn.ReLU(inplace=True)
        )
        self.fc = nn.Linear(8, outputs)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.running_mean)
                nn.init.uniform_(module.running_var, 0.5, 2)
                nn.init.normal_(module.weight)
                nn.init.normal_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.layer2(self.layer1(x)).mean((2, 3)))


class ReusedReLU(Tiny):
    """One ReLU module at two places."""

    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.relu(self.layer2(self.relu(self.layer1(x)))).mean((2, 3)))


class InPlaceAfterwards(Tiny):
    """What follows the first stage overwrites its output."""

    def forward(self, x: Tensor) -> Tensor:
        y = self.layer1(x)
        y.zero_()
        return self.fc(self.layer2(y).mean((2, 3)))


class SkipsTheNorm(Tiny):
    """The convolution's output is used beside the batch norm: folding would change the result."""

    def forward(self, x: Tensor) -> Tensor:
        convolved = self.layer1[0](x)
        y = torch.relu(self.layer1[1](convolved)) + convolved
        return self.fc(self.layer2(y).mean((2, 3)))


class ReadsTheWeights(Tiny):
    """A convolution's weights are used beside the convolution: folding would change the result."""

    def forward(self, x: Tensor) -> Tensor:
        again = nn.functional.conv2d(x, self.layer1[0].weight, padding=1)
        return self.fc(self.layer2(self.layer1(x) + again).mean((2, 3)))


class ClampsBeforeTheNorm(Tiny):
    """The convolution's output is changed in place before the norm reads it, for values that a probe may not reach."""

    def forward(self, x: Tensor) -> Tensor:
        y = self.layer1[0](x)
        y.clamp_(max=1000)
        return self.fc(self.layer2(self.layer1[2](self.layer1[1](y))).mean((2, 3)))


class Fails(Tiny):
    """Breaks after the first stage."""

    def forward(self, x: Tensor) -> Tensor:
        self.layer1(x)
        raise RuntimeError("broken on purpose")


def expectation(network: type[Tiny]) -> AbstractContextManager[object]:
    """Return the context in which a network of this class runs: one that fails must fail, no other may."""
    return pytest.raises((RuntimeError, DataError), match="broken on purpose") if network is Fails else nullcontext()
