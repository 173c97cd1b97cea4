"""Recipes that train networks for joints: that of the paper's supplement, and a small one on embedded data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from autola_analysis.backbones import ModelSpec
from autola_analysis.core.errors import OptionError
from autola_analysis.detectors import DetectorSpec
from autola_analysis.training.plan import MilestonePlan, check_signs
from autola_analysis.training.recipes import RECIPES

ENCODINGS = ("exact", "quantised")


@dataclass(frozen=True)
class PoseRecipe(MilestonePlan):
    """How a network for joints is trained, on crops around the annotated boxes.

    Attributes:
        options: Of the network, see `simple_baseline`.
        encode: Where the peaks of the heat maps that it is trained towards lie: "exact", at the joints, or "quantised",
            at the nearest cells, as SimpleBaseline's code has it.
        scale: Standard deviation, and largest change, of the size of the crop, in shares of it.
        rotation: Standard deviation in degrees of its angle, at most twice as much; 0.6 of the crops are turned.
        flip: Whether crops are mirrored at random.

    Raises:
        OptionError: If a value is out of its range.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    encode: str = "exact"
    scale: float = 0.3
    rotation: float = 40.0
    flip: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_signs(self, (), ("scale", "rotation"))
        if self.encode not in ENCODINGS:
            raise OptionError(f"encode is one of {', '.join(ENCODINGS)}; found {self.encode!r}.")
        if self.scale >= 1:
            raise OptionError(f"scale is a share of the size of a crop, below 1; found {self.scale:g}.")

    def network(self, backbone: ModelSpec, outputs: int) -> DetectorSpec:
        """Return SimpleBaseline around the backbone."""
        return DetectorSpec("pose", backbone, outputs, self.options)

    def outcome(self, metrics: Mapping[str, float]) -> str:
        """Return the average precision."""
        return f"test AP {100 * metrics['ap']:.1f}, at an OKS of 0.75 {100 * metrics['ap75']:.1f}"


RECIPES.register("pose")(
    PoseRecipe(
        "SimpleBaseline on COCO's people as in the AutoLA supplement: ResNet-50, 140 epochs of batch 128",
        data="coco-keypoints",
        test_split="val",
        backbone="resnet50",
        epochs=140,
        batch_size=128,
        learning_rate=0.001,
        weight_decay=0.0,
        optimizer="adam",
        milestones=(90, 120),
    )
)
RECIPES.register("puppets-pose")(
    PoseRecipe(
        "a small SimpleBaseline on the embedded digit-puppets, ten minutes on one core",
        data="digit-puppets",
        backbone="resnet18",
        width=16,
        epochs=20,
        batch_size=64,
        learning_rate=0.001,
        weight_decay=0.0,
        optimizer="adam",
        milestones=(14, 18),
        options={"channels": 64, "height": 128, "width": 96},
        scale=0.25,
        rotation=30.0,
    )
)
