"""What "Auto Learning Attention" claims of detectors and networks for joints, and of the wiring that was searched.

Statistics, directions and margins were fixed before any result was looked at.
"""

from __future__ import annotations

from autola_analysis.analyses.evaluate.coco_numbers import ANALYSIS
from autola_analysis.inference.tasks import Detection, Keypoints
from autola_analysis.inference.tasks.accuracy import ACCURACY, TOP1
from autola_analysis.statistics.claims import Claim

AP = "ap"
_QUOTE = (
    "the searched attention module can generalize to various backbones as a plug-and-play component and outperforms "
    "popular manually designed channel and spatial attentions for many vision tasks, including image classification on "
    "CIFAR100 and ImageNet, object detection and human keypoint detection on COCO dataset"
)

SEARCHED_BEATS_RANDOM = Claim(
    "searched wiring beats random wiring",
    "[of the rebuttal, in our words] the searched module outperforms modules of randomly drawn wirings",
    ACCURACY, TOP1, stage="network", direction=1, margin=0.005, against="random wiring",
)  # fmt: skip
"""Its margin is half a point of accuracy: two trainings of one network differ by as much."""
CLAIMS = (
    SEARCHED_BEATS_RANDOM,
    *(
        Claim(name, _QUOTE, ANALYSIS, AP, stage="network", direction=1, margin=0.005, task=task)
        for name, task in (("detects better", Detection().name), ("finds joints better", Keypoints().name))
    ),
)
