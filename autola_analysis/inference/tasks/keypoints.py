"""Keypoints: a network puts out a heat map for every joint of the one person in an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from autola_analysis.core.errors import DataError, OptionError
from autola_analysis.inference.outputs import Output, Score, describe, same_outputs
from autola_analysis.inference.tasks.without_accuracy import WithoutAccuracy

KEYPOINTS = "keypoints"
SAME_VALUE = 1e-3
"""Share of the largest value of a heat map by which it may differ between an image alone and in a batch"""


def finds_joints(model: nn.Module) -> bool:
    """Return whether a network puts out heat maps of joints: it says so in its attribute ``task``."""
    return getattr(model, "task", None) == KEYPOINTS


@dataclass(frozen=True)
class Keypoints(WithoutAccuracy):
    """One person per image: outputs are heat maps ``(B, J, h, w)``.

    Targets are an array of `Objects` that hold one person each, in pixels of its crop.
    """

    name: str = KEYPOINTS
    read_as: Any = None

    def check(self, output: Output, images: int) -> None:
        """Check that an output is a heat map per joint for every image.

        Raises:
            DataError: If it is not.
        """
        if not isinstance(output, Tensor) or output.ndim != 4 or len(output) != images:
            raise DataError(
                f"a network for joints must put out heat maps ({images}, joints, h, w); found {describe(output)}."
            )

    def finite(self, output: Output) -> Tensor:
        """Return per image whether all its heat maps are finite, ``(B,)`` bool."""
        finite: Tensor = output.isfinite().flatten(1).all(1)
        return finite

    def same(self, expected: Output, found: Output) -> bool:
        """Return whether heat maps are the same up to rounding."""
        return same_outputs(expected, found)

    def depends_on_batch(self, alone: Output, together: Output) -> bool:
        """Return whether the heat maps of an image alone differ from those of the first image of a batch."""
        return bool(((alone - together[:1]).abs() > SAME_VALUE * together.abs().max()).any())

    def score(self, targets: Any = None) -> Score:
        """Refuse: what is explained of a heat map is the value of one of its cells.

        Raises:
            OptionError: Always.
        """
        raise OptionError("heat maps have no class score; explain the cell of a joint instead, see explain_joints.")
