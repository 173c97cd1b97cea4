"""Networks that find objects and joints: a head around a backbone with any attention module."""

from autola_analysis.detectors import faster_rcnn, pose, ssd
from autola_analysis.detectors.registry import DetectorSpec, create_detector, list_detectors

__all__ = ["DetectorSpec", "create_detector", "faster_rcnn", "list_detectors", "pose", "ssd"]
