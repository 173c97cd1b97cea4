"""What saliency can be asked."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from autola_analysis.analyses.options import (
    AnalysisOptions,
    FilePath,
    FilePaths,
    Limit,
    Names,
    limit_option,
    option,
    whole,
)

LIMIT = 500
Grid = Literal["stretched", "receptive-field"]
ObjectTarget = Literal["object", "detection", "given-box"]
Score = Literal["logit", "margin"]
THRESHOLD = 0.5
"""Least probability of a detection that is explained, unless the user asks for another"""
MOST_DETECTIONS = 20
"""Objects of an image that are explained, unless the user asks for another number"""
FOR_DETECTORS = ("threshold", "most", "score")
FOR_CLASSIFIERS = ("grid", "boxes")
"""Options that only networks of one kind take"""
NOT_FOR_JOINTS = ("faithfulness", "sanity", "sanity_draws")
"""Options that classifiers and detectors take"""


class SaliencyOptions(AnalysisOptions):
    """What decides maps and numbers beside the networks and the images."""

    limit: Limit = limit_option(LIMIT)
    images: FilePaths | None = option(
        None, "Image file or folder, instead of --data. Repeat for more.", metavar="PATH", repeated=True
    )
    methods: Names = option(
        ["grad-cam", "guided-backprop"],
        "Methods, separated by commas; see 'autola-analyze list methods'.",
        flag="--method",
        metavar="A,B",
        min_length=1,
    )
    layers: Names | None = option(
        None,
        "Layers, separated by commas. Default: the last stage; of networks for joints the last but one.",
        flag="--layer",
        metavar="A[,B]",
    )
    grid: Grid = option(
        "stretched",
        "Where a layer's cells lie: divide the image among them, as in the literature, or at their receptive fields.",
    )
    target: Annotated[str | int | None, BeforeValidator(whole)] = option(
        None,
        "Class that all networks explain; of detectors, annotated objects, what the first network detects, or the "
        "annotated boxes as regions. Default: what is annotated, else what the first network predicts or detects.",
        metavar="label|predicted|N|object|detection|given-box",
    )
    threshold: float = option(
        THRESHOLD, "Of detectors: least probability of a detection that is explained.", ge=0, le=1
    )
    most: int = option(MOST_DETECTIONS, "Of detectors: objects of an image that are explained, at most.", ge=1, le=1000)
    score: Score = option(
        "logit", "Of detectors: explain the class's logit, or its margin over the background's, which shifts leave."
    )
    show: int = option(6, "Images in the figure; of detectors also the objects in theirs.", ge=1, le=1000)
    scale: Literal["own", "shared"] = option("own", "Divide maps by their own maximum or the variants' largest.")
    boxes: FilePath | dict[str, Any] | None = option(
        None,
        "Boxes of the objects: COCO-style JSON, or VOC or ImageNet XML files.",
        metavar="PATH",
        in_compare=True,
    )
    faithfulness: bool = option(
        False,
        "Measure insertion and deletion, 34 forwards per map; of detectors 32 for each object and map, two maps of the "
        "predicted box included.",
    )
    sanity: int = option(
        0,
        "Images for the sanity check by random weights, of detectors an object of each; 0 leaves it out.",
        ge=0,
        le=100_000,
    )
    sanity_draws: int = option(5, "Draws of random weights for the sanity check.", ge=1, le=1000)
    guide_gates: bool = option(
        True,
        "Leave ReLUs inside attention gates out of guided backpropagation.",
        flag="--plain-gates",
        negated=True,
    )
    shown: list[int] | None = option(
        None, "Numbers of the images in the figure; None draws some.", flag="-", min_length=1
    )

    @property
    def names_images(self) -> bool:
        """Whether they name images to look at instead of a data source."""
        return self.images is not None
