"""The part that hangs on the pass: the joints that a network finds in every crop, mirrored and not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from autola_analysis.analyses.evaluate.kept import ColumnsObserver
from autola_analysis.analyses.variants import Variant
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.detectors.joint_decoding import JOINT_DECODINGS, JointDecoding
from autola_analysis.inference.outputs import Output
from autola_analysis.inference.stream import Batch, Stream
from autola_analysis.inference.tasks.keypoints import KEYPOINTS


class Mirrored(nn.Module):
    """A network for joints that looks at every crop and its mirror image, and puts out the mean of both heat maps.

    Args:
        network: Puts out heat maps.
        pairs: Left and right joints, which mirroring exchanges.
        decoding: How far the maps of the mirror image are shifted.
    """

    task = KEYPOINTS

    def __init__(self, network: nn.Module, pairs: Sequence[tuple[int, int]], decoding: JointDecoding) -> None:
        super().__init__()
        self.network, self.pairs, self.decoding = network, tuple(pairs), decoding
        self.input_size = getattr(network, "input_size", None)

    def forward(self, images: Tensor) -> Tensor:
        """Return heat maps ``(B, J, h, w)`` of crops ``(B, 3, H, W)``."""
        maps = self.network(images)
        ratio = images.shape[-1] / maps.shape[-1]
        return self.decoding.averaged(maps, self.network(images.flip(-1)), self.pairs, ratio)


@dataclass(frozen=True)
class JointWatcher:
    """Hangs the joints on a pass over crops.

    Attributes:
        decoding: How they are read from heat maps, see `JOINT_DECODINGS`.
    """

    decoding: str
    name = "evaluate-keypoints"

    def applies_to(self, variant: Variant) -> bool:
        """Return whether the network finds joints."""
        return variant.finds_joints

    def inputs(self, variant: Variant) -> dict[str, Any]:
        """Return how joints are read from heat maps."""
        return {"decoding": self.decoding}

    def watch(
        self, variant: Variant, preprocessing: Preprocessing | None, stream: Stream, folder: Path | None
    ) -> JointObserver:
        """Return what keeps the joints that a network finds."""
        return JointObserver(JOINT_DECODINGS[self.decoding])


class JointObserver(ColumnsObserver):
    """Keep the joints of every crop, in its pixels.

    Args:
        decoding: How they are read from heat maps.
    """

    def __init__(self, decoding: JointDecoding) -> None:
        super().__init__()
        self._decoding = decoding

    def columns(self, batch: Batch, output: Output) -> dict[str, NDArray[Any]]:
        """Return the joints of one batch, and which crop each row is of."""
        joints, scores = self._decoding.joints(output.float())
        # Cell i of a heat map stands for pixel ratio * i of the crop, as in the maps that networks are trained towards.
        ratio = torch.tensor(
            [side / cells for side, cells in zip(batch.images.shape[:1:-1], output.shape[:1:-1], strict=True)]
        )
        return {
            "crops": batch.indices.numpy(),
            "joints": (joints.double().cpu() * ratio.double()).numpy(),
            "scores": scores.double().cpu().numpy(),
        }

    def joints(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return joints ``(P, J, 2)`` and their scores ``(P, J)`` in the order of the crops."""
        found = self.together()
        order = np.argsort(found["crops"])
        return found["joints"][order], found["scores"][order]
