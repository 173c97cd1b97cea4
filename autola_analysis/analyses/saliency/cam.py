"""Class activation maps: pure functions of a layer's activation A and the gradient G of the class score at it.

Each takes ``(B, K, h, w)`` twice and returns raw maps ``(B, h, w)`` that are zero or positive.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def grad_cam(activation: Tensor, gradient: Tensor) -> Tensor:
    """``ReLU(sum_k alpha_k A_k)`` with ``alpha_k = mean_ij G_kij``.

    References:
        Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization",
        ICCV 2017, equations 1 and 2.
    """
    return torch.einsum("bk,bkhw->bhw", gradient.mean((2, 3)), activation).relu()


def grad_cam_plus_plus(activation: Tensor, gradient: Tensor) -> Tensor:
    """``ReLU(sum_k w_k A_k)`` with ``w_k = sum_ij alpha_kij ReLU(G_kij)``.

    For the score passed through an exponential, the paper's coefficients are
    ``alpha_kij = G_kij^2 / (2 G_kij^2 + (sum_ab A_kab) G_kij^3)``, zero where the denominator is, which is
    ``1 / (2 + (sum_ab A_kab) G_kij)`` wherever G is not zero: written so, small gradients do not vanish when squared.
    The factor ``exp(score)``, one number per image that overflows from 89 on, is left out.

    References:
        Chattopadhay et al., "Grad-CAM++: Generalized Gradient-based Visual Explanations for Deep Convolutional
        Networks", WACV 2018, equations 14 and 19.
    """
    denominator = 2 + activation.sum((2, 3), keepdim=True) * gradient
    coefficients = torch.where(denominator == 0, 0, gradient.relu() / denominator)
    return torch.einsum("bk,bkhw->bhw", coefficients.sum((2, 3)), activation).relu()


def hires_cam(activation: Tensor, gradient: Tensor) -> Tensor:
    """``ReLU(sum_k G_k * A_k)``, element by element; the ReLU as in Grad-CAM.

    References:
        Draelos and Carin, "Use HiResCAM instead of Grad-CAM for faithful explanations of convolutional neural
        networks", 2020.
    """
    return torch.einsum("bkhw,bkhw->bhw", gradient, activation).relu()


def layer_cam(activation: Tensor, gradient: Tensor) -> Tensor:
    """``ReLU(sum_k ReLU(G_k) * A_k)``, element by element.

    References:
        Jiang et al., "LayerCAM: Exploring Hierarchical Class Activation Maps for Localization", IEEE Transactions on
        Image Processing 2021, equations 5 and 6.
    """
    return torch.einsum("bkhw,bkhw->bhw", gradient.relu(), activation).relu()


def upsample(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Return maps ``(B, h, w)`` at a size ``(H, W)``, bilinear, ``align_corners=False``."""
    return F.interpolate(maps[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]
