"""What "Auto Learning Attention" claims about detectors and networks for joints.

Statistics, directions and margins were fixed before any result was looked at.
"""

from __future__ import annotations

from autola_analysis.analyses.evaluate.coco_numbers import ANALYSIS
from autola_analysis.inference.tasks import Detection, Keypoints
from autola_analysis.statistics.claims import Claim

AP = "ap"
_QUOTE = (
    "the searched attention module can generalize to various backbones as a plug-and-play component and outperforms "
    "popular manually designed channel and spatial attentions for many vision tasks, including image classification on "
    "CIFAR100 and ImageNet, object detection and human keypoint detection on COCO dataset"
)

CLAIMS = tuple(
    Claim(name, _QUOTE, ANALYSIS, AP, stage="network", direction=1, margin=0.005, task=task)
    for name, task in (("detects better", Detection().name), ("finds joints better", Keypoints().name))
)
