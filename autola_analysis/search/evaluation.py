"""Networks on images: which are right, for the super-network and for a wiring with inherited weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from autola_analysis.attention.genotype import Genotype
from autola_analysis.attention.mixture import SEARCH_REDUCTION, HogaSearch
from autola_analysis.backbones.registry import create_model
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.search.inherit import inherit

Batches = Iterable[tuple[Tensor, Tensor]]
"""Images as uint8 ``(B, 3, H, W)`` and their labels ``(B,)``."""
NORM_BATCHES = 50
"""Batches over which batch norms are measured anew for a wiring with inherited weights."""


def correct(
    network: nn.Module, loader: Batches, preprocessing: Preprocessing, device: torch.device
) -> NDArray[np.bool_]:
    """Return for each image of a loader whether the network's best class is its label."""
    network.eval().to(device)
    right = []
    with torch.no_grad():
        for images, labels in loader:
            logits = network(preprocessing.normalize(images.to(device)))
            right.append((logits.argmax(1).cpu() == labels).numpy())
    return np.concatenate(right)


def inherited(
    network: nn.Module, genotype: Genotype, backbone: str, num_classes: int, options: Mapping[str, Any]
) -> nn.Module:
    """Return the network with a wiring whose weights are those of its operations in the super-network.

    Args:
        network: The backbone with mixed modules.
        genotype: The wiring.
        backbone: Of both.
        num_classes: Of both.
        options: Of the backbone.
    """
    attention = {"genotype": genotype, "reduction": SEARCH_REDUCTION}
    derived = create_model(backbone, "hoga", num_classes, attention_options=attention, **options)
    modules = {name: each for name, each in network.named_modules() if isinstance(each, HogaSearch)}
    prefixes = tuple(f"{name}." for name in modules)
    state = {name: each for name, each in network.state_dict().items() if not name.startswith(prefixes)}
    for name, module in modules.items():
        state |= {f"{name}.{part}": tensor for part, tensor in inherit(module, genotype).items()}
    derived.load_state_dict(state)
    return derived


def measure_norms(network: nn.Module, loader: Batches, preprocessing: Preprocessing, device: torch.device) -> None:
    """Replace the statistics of batch norms by their means over some batches."""
    network.train().to(device)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for module in norms:
        module.reset_running_stats()
        module.momentum = None  # the mean over all batches
    with torch.no_grad():
        for images, _ in islice(loader, NORM_BATCHES):
            network(preprocessing.normalize(images.to(device)))
