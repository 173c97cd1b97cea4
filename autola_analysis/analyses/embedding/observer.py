"""The part of feature extraction that hangs on the pass: pooled activations, image by image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from autola_analysis.analyses.embedding.feature_files import Sink
from autola_analysis.analyses.embedding.features import IntArray
from autola_analysis.core.errors import LayerError, OptionError
from autola_analysis.inference.stream import Batch

POOLS = ("mean", "flatten")


class FeatureObserver:
    """Hand the pooled activations of some layers on to sinks.

    Args:
        sinks: Layer -> where its rows go.
        pool: "mean" over space, or "flatten".
    """

    def __init__(self, sinks: Mapping[str, Sink], pool: str = "mean") -> None:
        check_pool(pool)
        self.layers = tuple(sinks)
        self.not_finite = dict.fromkeys(sinks, 0)
        self._sinks = sinks
        self._pool = pool
        self._labels: list[Tensor] = []

    def reduce(self, layer: str, activation: Tensor) -> Tensor:
        """Return a copy of the activation as float32 ``(B, D)``.

        Raises:
            LayerError: If the activation has a shape that cannot be pooled.
        """
        if activation.ndim < 2 or (self._pool == "mean" and activation.ndim not in (2, 4)):
            raise LayerError(
                f"layer {layer!r} puts out shape {tuple(activation.shape)}; "
                "features need (B, K) or (B, K, H, W), or --pool flatten."
            )
        if self._pool == "mean" and activation.ndim == 4:
            return activation.mean((2, 3), dtype=torch.float32)
        # What follows the layer may overwrite it in place.
        return activation.flatten(1).to(torch.float32, copy=True)

    def update(self, batch: Batch, kept: Mapping[str, Any], logits: Tensor) -> None:
        """Pass one batch on."""
        for layer, sink in self._sinks.items():
            rows = kept[layer].cpu().numpy()
            self.not_finite[layer] += int(np.count_nonzero(~np.isfinite(rows)))
            sink.append(rows)
        self._labels.append(batch.labels)

    def labels(self) -> IntArray:
        """Return the labels of all images seen, ``(N,)``."""
        labels: IntArray = torch.cat(self._labels).numpy()
        return labels


def check_pool(pool: str) -> None:
    """Refuse a name that is no way of pooling.

    Raises:
        OptionError: Naming those there are.
    """
    if pool not in POOLS:
        raise OptionError(f"pool is one of {', '.join(POOLS)}; found {pool!r}.")
