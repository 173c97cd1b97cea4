"""Networks whose cells are known to look at certain pixels, and images of one bright spot."""

import numpy as np
import torch
from torch import Tensor, nn

SIDE = 64


class Planted(nn.Module):
    """Puts out the mean of its last map, so that every class activation map is that map."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.features = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.features(x).mean((2, 3))


def strided() -> Planted:
    """Three convolutions 3 x 3 of stride 2 as in a ResNet; a spot activates cell i by its distance from 8 i + 0.5."""
    layers = []
    for inputs in (3, 1, 1):
        layer = nn.Conv2d(inputs, 1, 3, stride=2, padding=1, bias=False)
        line = torch.tensor([1.0, 2.0, 1.0])
        layer.weight.data[:] = torch.outer(line, line)
        layers += [layer, nn.ReLU()]
    return Planted(*layers)


def patches() -> Planted:
    """One convolution as wide as its stride: a spot activates cell i by what lies in [8 i, 8 i + 8)."""
    layer = nn.Conv2d(3, 1, 8, stride=8, bias=False)
    nn.init.ones_(layer.weight)
    return Planted(layer, nn.ReLU())


def spots(number: int) -> tuple[Tensor, np.ndarray]:
    """Return images ``(B, 3, 64, 64)`` of a bright square of 8 pixels anywhere but near the border, and its masks."""
    corners = np.random.default_rng(0).integers(16, SIDE - 24, (number, 2))
    masks = np.zeros((number, SIDE, SIDE), dtype=bool)
    for mask, (row, column) in zip(masks, corners, strict=True):
        mask[row : row + 8, column : column + 8] = True
    return torch.from_numpy(masks).float()[:, None].expand(-1, 3, -1, -1).contiguous(), masks
