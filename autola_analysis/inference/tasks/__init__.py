"""Tasks: what the output of a network means."""

from autola_analysis.inference.tasks.classification import Classification
from autola_analysis.inference.tasks.detection import Detection
from autola_analysis.inference.tasks.keypoints import Keypoints
from autola_analysis.inference.tasks.task import Task

__all__ = ["Classification", "Detection", "Keypoints", "Task"]
