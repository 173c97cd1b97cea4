"""What the ablation of units can be asked."""

from __future__ import annotations

from typing import Literal

from autola_analysis.analyses.options import AnalysisOptions, Names, option

Value = Literal["zero", "mean"]


class AblationOptions(AnalysisOptions):
    """What decides the numbers beside the networks and the images; the seed is that of the random orders."""

    layers: Names | None = option(
        None,
        "Layers that only global average pooling and a linear head follow. Default: the last stage.",
        metavar="A,B",
    )
    value: Value = option("zero", "What a unit is set to: zero, or its mean over the images.")
    orders: int = option(10, "Random orders.", ge=10, le=65535)
    steps: int = option(50, "Steps from no unit to all of them.", ge=2, le=10_000)
