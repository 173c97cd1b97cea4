"""The linear head of a network: what turns pooled activations of a layer into logits, where nothing else does."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from autola_analysis.inference.class_scores import output_matrix
from autola_analysis.inference.copies import runnable
from autola_analysis.inference.outputs import same_outputs
from autola_analysis.inference.precision import fitting, precision_of
from autola_analysis.inference.tap import tap

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Head:
    """A linear map from pooled activations to logits.

    Attributes:
        weight: ``(C, K)``.
        bias: ``(C,)``.
    """

    weight: FloatArray
    bias: FloatArray

    @classmethod
    def of(cls, module: nn.Linear) -> Head:
        """Return weights and bias of a module, zeros where it has no bias; of a single logit, those of both classes."""
        weight = module.weight.detach().double().cpu().numpy()
        bias = np.zeros(len(weight)) if module.bias is None else module.bias.detach().double().cpu().numpy()
        if len(weight) == 1:  # a single logit: class 0 has its negative
            weight, bias = np.concatenate([-weight, weight]), np.concatenate([-bias, bias])
        return cls(weight, bias)


@torch.inference_mode()
def linear_head(model: nn.Module, layer: str, images: Tensor) -> str:
    """Return the name of the linear module that makes logits of a layer's pooled activations; "" where none does.

    The network runs on a few images. A module is the head if, applied to the spatial mean of the layer, it puts out the
    network's logits up to the rounding of float32.

    Args:
        model: The network; it is as before afterwards.
        layer: Name of the layer.
        images: Standardised images ``(B, 3, H, W)``.
    """
    with ExitStack() as stack:
        network = stack.enter_context(runnable(model, images.device)).model
        stack.enter_context(torch.random.fork_rng(devices=[]))
        stack.enter_context(precision_of("float32", images.device))
        activations = stack.enter_context(tap(network, [layer]))
        logits = output_matrix(network(fitting(images.clone(), network)))
        pooled = pooled_activation(activations[layer])
        for name, module in network.named_modules():
            fits = isinstance(module, nn.Linear) and module.in_features == pooled.shape[1]
            if fits and same_outputs(logits, module(fitting(pooled, network))):
                return name
    return ""


def pooled_activation(activation: Tensor) -> Tensor:
    """Return the mean over positions of an activation ``(B, K, ...)``, float32 ``(B, K)``."""
    return activation.float().flatten(2).mean(2) if activation.ndim > 2 else activation.float()
