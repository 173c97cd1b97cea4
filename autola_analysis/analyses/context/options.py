"""What the analysis of context can be asked."""

from __future__ import annotations

from typing import Any

from autola_analysis.analyses.context.kinds import CHOICES
from autola_analysis.analyses.options import AnalysisOptions, FilePath, Limit, Names, limit_option, option

LIMIT = 500


class ContextOptions(AnalysisOptions):
    """What decides the altered images beside the networks and the data."""

    limit: Limit = limit_option(LIMIT)
    kinds: Names = option(
        list(CHOICES),
        "What is done to the surroundings of objects, separated by commas.",
        metavar="A,B",
        min_length=1,
    )
    blur: float = option(
        1 / 8,
        "Standard deviation of the blur that leaves the object alone, as a share of the image's shorter side. "
        "Default: 0.125.",
        gt=0,
        le=1,
    )
    boxes: FilePath | dict[str, Any] | None = option(
        None,
        "Boxes of the objects: COCO-style JSON, or VOC or ImageNet XML files. Not needed where the data has masks.",
        metavar="PATH",
    )
    show: int = option(4, "Images in the figure of altered images.", ge=1, le=1000)
