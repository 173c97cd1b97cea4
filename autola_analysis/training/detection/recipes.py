"""Recipes that train detectors of boxes: those of the paper's supplement, and small ones on embedded data.

Where the supplement leaves room, its numbers stand as they are written. Its batch of 2 for Faster R-CNN is probably
that of one GPU: by mmdetection's rule its learning rate of 0.01 belongs to 8 images, ``--set batch_size=8``. Batch
norms behind the convolutions of SSD's heads, as it can be read too, are ``--set options={"norm":"all"}``.

What differs from the code that the recipes come from: mmdetection leaves anchors on crowds out of its loss, here crowds
are left out and anchors on them are negatives; its batches hold images of like aspect, here any.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from autola_analysis.backbones import ModelSpec
from autola_analysis.core.errors import OptionError
from autola_analysis.detectors import DetectorSpec
from autola_analysis.detectors.registry import DETECTORS
from autola_analysis.training.plan import MilestonePlan, check_signs
from autola_analysis.training.recipes import RECIPES


@dataclass(frozen=True)
class DetectionRecipe(MilestonePlan):
    """How a detector of boxes is trained.

    Attributes:
        detector: Its kind, see `create_detector`.
        options: Of the detector, such as ``{"norm": "all"}`` of SSD300 or ``{"style": "torchvision"}`` of Faster R-CNN.
        images: Images of the training split that are used, drawn by seed 0; 0 for all. Those without an object are left
            out in any case.
        crop: Whether random parts of images are cut out.
        flip: Whether images are mirrored at random.
        colour: Whether colours are moved at random.
        crowds: Whether boxes that hold many objects are trained on, as one object; they are left out otherwise.
        frozen_stages: Stages of the backbone that are not trained, with the stem before them; 0 trains everything.
        norm_eval: Whether the batch norms of the backbone keep the statistics that they begin with.

    Raises:
        OptionError: If a value is out of its range, or SSD300's batches would hold one image.
    """

    detector: str = "ssd300"
    options: Mapping[str, Any] = field(default_factory=dict)
    images: int = 0
    crop: bool = False
    flip: bool = True
    colour: bool = False
    crowds: bool = False
    frozen_stages: int = 0
    norm_eval: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        DETECTORS.get(self.detector)
        check_signs(self, (), ("images", "frozen_stages"))
        if self.detector == "ssd300" and self.batch_size == 1:
            raise OptionError(
                "SSD300's last level has one cell, and its batch norm needs more than one value; found batch_size=1, "
                "give --set batch_size=2 or more."
            )

    def network(self, backbone: ModelSpec, outputs: int) -> DetectorSpec:
        """Return the detector around the backbone."""
        return DetectorSpec(self.detector, backbone, outputs, self.options)

    def outcome(self, metrics: Mapping[str, float]) -> str:
        """Return the average precision."""
        return f"test AP {100 * metrics['ap']:.1f}, at an IoU of 0.5 {100 * metrics['ap50']:.1f}"


RECIPES.register("ssd300")(
    DetectionRecipe(
        "SSD300 on COCO as in the AutoLA supplement: ResNet-50 without its last stage, 65 epochs of batch 128",
        data="coco",
        test_split="val",
        backbone="resnet50",
        epochs=65,
        batch_size=128,
        learning_rate=0.01,
        weight_decay=5e-4,
        decay="weights",
        milestones=(43, 54),
        warmup_epochs=1.0,
        crop=True,
        colour=True,
        crowds=True,
    )
)
RECIPES.register("faster-rcnn")(
    DetectionRecipe(
        "Faster R-CNN on COCO as in the AutoLA supplement: ResNet-50 with FPN, 14 epochs of batch 2; needs --init",
        data="coco",
        test_split="val",
        backbone="resnet50",
        epochs=14,
        batch_size=2,
        learning_rate=0.01,
        weight_decay=1e-4,
        milestones=(8, 11),
        warmup_steps=500,
        warmup_start=0.001,
        detector="faster-rcnn",
        frozen_stages=1,
        norm_eval=True,
    )
)
RECIPES.register("scenes-ssd")(
    DetectionRecipe(
        "a small SSD on the embedded cluttered-scenes, a quarter of an hour on one core",
        data="cluttered-scenes",
        backbone="resnet18",
        width=16,
        epochs=12,
        batch_size=32,
        learning_rate=0.05,
        weight_decay=5e-4,
        decay="weights",
        milestones=(8, 11),
        warmup_steps=100,
        options={
            "side": 160,
            "steps": [8, 16, 32, 160 / 3, 160],
            "scales": [16, 28, 44, 64, 96, 128],
            "ratios": [[2], [2], [2], [2], [2]],
            "extras": [[32, 64, 2], [32, 64, 2], [16, 32, 2], [16, 32, 1]],
        },
        flip=False,
    )
)
RECIPES.register("scenes-faster-rcnn")(
    DetectionRecipe(
        "a small Faster R-CNN on the embedded cluttered-scenes, a quarter of an hour on one core",
        data="cluttered-scenes",
        backbone="resnet18",
        width=16,
        epochs=6,
        batch_size=8,
        learning_rate=0.02,
        weight_decay=1e-4,
        milestones=(4, 5),
        warmup_steps=100,
        warmup_start=0.001,
        detector="faster-rcnn",
        options={
            "channels": 32,
            "hidden": 128,
            "anchor_scale": 4,
            "finest": 16,
            "samples": 64,
            "short_side": 160,
            "long_side": 160,
        },
        images=2500,
        flip=False,
    )
)
