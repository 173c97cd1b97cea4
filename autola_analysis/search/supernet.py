"""The network in which a wiring is searched: a backbone with mixed modules, and the architecture that mixes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import Tensor, nn

from autola_analysis.attention.mixture import HogaSearch
from autola_analysis.backbones.registry import create_model
from autola_analysis.search.architecture import Architecture

ALPHA = "architecture.alpha"
"""Name of alpha among the parameters; everything else is a weight."""


class SuperNetwork(nn.Module):
    """A backbone whose attention modules all mix their operations by one architecture.

    Args:
        backbone: Registered name.
        num_classes: Outputs of the head.
        seed: Of alpha.
        options: Of the backbone.
    """

    def __init__(
        self, backbone: str, num_classes: int, seed: int = 0, options: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__()
        self.architecture = Architecture(seed)
        mixed = partial(HogaSearch, mixture=self.architecture.mixture)
        self.network = create_model(backbone, mixed, num_classes, **(options or {}))

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of standardised images ``(B, 3, H, W)``."""
        return self.network(images)

    def weights(self) -> dict[str, nn.Parameter]:
        """Return all parameters but alpha, by name."""
        return {name: parameter for name, parameter in self.named_parameters() if name != ALPHA}


@contextmanager
def frozen_statistics(model: nn.Module) -> Iterator[None]:
    """Let batch norms in train mode use the statistics of the batch, and keep no record of them."""
    tracking = [
        module
        for module in model.modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.track_running_stats and module.training
    ]
    try:
        for module in tracking:
            module.track_running_stats = False
        yield
    finally:
        for module in tracking:
            module.track_running_stats = True
