"""The numbers that the cells of the matrix are held to, written from the formulas in float64."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .axes import Network


def stages(network: Network, images: Tensor) -> list[Tensor]:
    """Return what the stages put out, ``(B, K, H, W)``."""
    found, x = [], images.double()
    for stage, stride in ((network.layer1, 1), (network.layer2, 2)):
        convolution, norm = stage[0], stage[1]
        x = F.conv2d(x, convolution.weight, convolution.bias, stride=stride, padding=1)
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        x = (x - norm.running_mean[:, None, None]) * scale[:, None, None] + norm.bias[:, None, None]
        x = x.clamp(min=0)
        found.append(x)
    return found


def logits(network: Network, images: Tensor) -> Tensor:
    """Return ``(B, C)``."""
    return stages(network, images)[-1].mean((2, 3)) @ network.fc.weight.T + network.fc.bias


def selectivity(activity: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the index of every unit for activities ``(N, K)``."""
    means = np.array([activity[labels == label].mean(0) for label in np.unique(labels)])
    largest = means.max(0)
    rest = (means.sum(0) - largest) / (len(means) - 1)
    return (largest - rest) / (largest + rest)


def grad_cam(network: Network, images: Tensor, targets: Tensor) -> Tensor:
    """Return the maps of a class per image at the last stage, ``(B, H, W)``.

    The head is linear in the spatial mean, so that the gradient is its row divided by the number of cells.
    """
    last = stages(network, images)[-1]
    alpha = network.fc.weight[targets] / (last.shape[2] * last.shape[3])
    maps = torch.einsum("bk,bkhw->bhw", alpha, last).clamp(min=0)
    return F.interpolate(maps[:, None], size=images.shape[2:], mode="bilinear", align_corners=False)[:, 0]
