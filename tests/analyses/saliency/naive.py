"""Class activation maps and their metrics written as in the papers, with loops, in float64."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Array = NDArray[np.float64]


def naive_grad_cam(a: Array, g: Array) -> Array:
    """Selvaraju et al., equations 1 and 2, for one image: ``(K, h, w)`` twice."""
    channels, h, w = a.shape
    total = np.zeros((h, w))
    for k in range(channels):
        alpha = sum(g[k, i, j] for i in range(h) for j in range(w)) / (h * w)
        total += alpha * a[k]
    return np.maximum(total, 0)


def naive_grad_cam_plus_plus(a: Array, g: Array, score: float) -> Array:
    """Chattopadhay et al., for Y = exp(S): its first three derivatives are exp(S) g, exp(S) g^2, exp(S) g^3."""
    channels, h, w = a.shape
    y = math.exp(score)
    total = np.zeros((h, w))
    for k in range(channels):
        weight = 0.0
        for i in range(h):
            for j in range(w):
                first, second, third = (y * g[k, i, j] ** power for power in (1, 2, 3))
                denominator = 2 * second + a[k].sum() * third
                alpha = second / denominator if denominator != 0 else 0.0
                weight += alpha * max(first, 0.0)
        total += weight * a[k]
    return np.maximum(total, 0)


def naive_hires_cam(a: Array, g: Array) -> Array:
    """Draelos and Carin: the sum over channels of gradient times activation, rectified."""
    _, h, w = a.shape
    return np.array([[max(sum(g[:, i, j] * a[:, i, j]), 0) for j in range(w)] for i in range(h)])


def naive_layer_cam(a: Array, g: Array) -> Array:
    """Jiang et al., equations 5 and 6."""
    channels, h, w = a.shape
    total = np.zeros((h, w))
    for k in range(channels):
        for i in range(h):
            for j in range(w):
                total[i, j] += max(g[k, i, j], 0) * a[k, i, j]
    return np.maximum(total, 0)


def naive_bilinear(small: Array, size: tuple[int, int]) -> Array:
    """Bilinear interpolation with pixel centres at half integers (align_corners=False), clamped at the border."""
    h, w = small.shape
    result = np.zeros(size)
    for row in range(size[0]):
        for column in range(size[1]):
            y = min(max((row + 0.5) * h / size[0] - 0.5, 0), h - 1)
            x = min(max((column + 0.5) * w / size[1] - 0.5, 0), w - 1)
            top, left = int(y), int(x)
            bottom, right = min(top + 1, h - 1), min(left + 1, w - 1)
            upper = small[top, left] * (1 - (x - left)) + small[top, right] * (x - left)
            lower = small[bottom, left] * (1 - (x - left)) + small[bottom, right] * (x - left)
            result[row, column] = upper * (1 - (y - top)) + lower * (y - top)
    return result


def activation_and_gradient(model: nn.Module, layer: str, image: Tensor, target: int) -> tuple[Array, Array, float]:
    """Return one image's activation and gradient at a layer from plain hooks, and the score."""
    kept: list[Tensor] = []
    # Downstream gets a copy: an operation in place may follow.
    handle = model.get_submodule(layer).register_forward_hook(lambda m, i, o: kept.append(o) or o.clone())
    score = model.eval()(image[None].requires_grad_())[0, target]
    handle.remove()
    (gradient,) = torch.autograd.grad(score, kept[0])
    return kept[0][0].detach().double().numpy(), gradient[0].double().numpy(), score.item()
