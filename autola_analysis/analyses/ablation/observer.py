"""The part of ablation that hangs on the pass: pooled activations, and whether a linear head reads them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from autola_analysis.analyses.ablation.head import linear_head
from autola_analysis.analyses.pooled import FeatureObserver
from autola_analysis.analyses.variants import Variant
from autola_analysis.core.distributed import Processes
from autola_analysis.core.errors import LayerError
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.inference.layers import resolve_layers
from autola_analysis.inference.outputs import Output
from autola_analysis.inference.stream import Batch, Stream

FACTS = "facts.json"
PROBE_IMAGES = 4
NO_HEAD = (
    "what follows it is more than global average pooling and a linear head; name the last layer before the pooling "
    "with --layers"
)


class AblationWatcher:
    """Hangs the pooled activations of one layer on a pass; networks without a head are passed over.

    Args:
        layer: Name of the layer; None takes the last stage.
    """

    def __init__(self, layer: str | None = None) -> None:
        self.name = f"ablation of {layer or 'the last stage'}".replace("/", "_")
        self._layer = layer

    def applies_to(self, variant: Variant) -> bool:
        """Return whether the outputs are logits."""
        return variant.has_head

    def inputs(self, variant: Variant) -> dict[str, Any]:
        """Return the layer."""
        return {"layers": [self._layer_of(variant)]}

    def watch(
        self, variant: Variant, preprocessing: Preprocessing | None, stream: Stream, folder: Path | None
    ) -> AblationObserver:
        """Return what keeps the activations of a network."""
        layer = self._layer_of(variant)

        def head(images: Tensor) -> str:
            if images.dtype == torch.uint8:
                images = (preprocessing or Preprocessing()).normalize(images)
            return linear_head(variant.model, layer, images)

        return AblationObserver(layer, head, folder, f"{layer} of {variant.title}", self._layer is not None)

    def _layer_of(self, variant: Variant) -> str:
        return resolve_layers(variant.model, None if self._layer is None else [self._layer])[-1]


class AblationObserver(FeatureObserver):
    """Keep the spatial means of a layer, in memory or row by row in a file.

    Args:
        layer: Name of the layer.
        find_head: Images ``(B, 3, H, W)`` -> name of the linear module that reads the layer; "" where none does.
        folder: Where the rows are written during the pass; None keeps them in memory.
        title: What the layer is called in messages.
        asked: Whether the user named the layer.

    Raises:
        LayerError: On the first batch, where the layer was asked for and no linear module reads it.

    Attributes:
        head: What `find_head` found on the first batch.
        signed: Whether the layer has had a negative activity.
    """

    def __init__(
        self, layer: str, find_head: Callable[[Tensor], str], folder: Path | None, title: str, asked: bool = False
    ) -> None:
        super().__init__(layer, "mean", folder, title)
        self._find_head = find_head
        self._asked = asked
        self._searched = False
        self.head = ""
        self.signed = False

    def reduce(self, layer: str, activation: Tensor) -> Any:
        """Return the spatial means ``(B, K)`` and the smallest value of an activation.

        Raises:
            LayerError: If the activation has no units that could be set to a number.
        """
        if activation.ndim not in (2, 4):
            raise LayerError(
                f"layer {layer!r} puts out shape {tuple(activation.shape)}; ablation needs (B, K) or (B, K, H, W)."
            )
        return super().reduce(layer, activation), activation.amin()

    def update(self, batch: Batch, kept: Mapping[str, Any], output: Output) -> None:
        """Keep the rows of one batch; look for the head on the first."""
        (layer,) = self.layers
        activity, lowest = kept[layer]
        if not self._searched:
            self._searched = True
            self.head = self._find_head(batch.images[:PROBE_IMAGES].to(activity.device))
            if self._asked and not self.head:
                raise LayerError(f"{self._title} cannot be ablated: {NO_HEAD}.")
        self.signed = self.signed or bool(lowest < 0)
        super().update(batch, {layer: activity}, output)

    def gather(self, processes: Processes, device: torch.device) -> None:
        """Bring the rows of all processes to the first one, and what they noticed to all."""
        super().gather(processes, device)
        self.head = processes.first_not_empty(self.head)
        self.signed = any(processes.all_gather_object(self.signed))

    def save(self, folder: Path) -> None:
        """Complete the folder that the rows were written to."""
        super().save(folder)
        (folder / FACTS).write_text(json.dumps({"head": self.head, "signed": self.signed}) + "\n", encoding="utf-8")

    def restore(self, folder: Path) -> None:
        """Open what `save` completed."""
        super().restore(folder)
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        self.head, self.signed = facts["head"], facts["signed"]
