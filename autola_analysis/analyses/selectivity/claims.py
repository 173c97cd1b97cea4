"""What "Auto Learning Attention" claims about the selectivity of units, and what extends it to detectors.

Statistics, layers, directions and margins were fixed before any result was looked at.
"""

from __future__ import annotations

from autola_analysis.analyses.object_items import IMAGES, OBJECTS
from autola_analysis.statistics.claims import Claim

MEAN_SELECTIVITY = "corrected_mean_selectivity"
"""The mean class selectivity of a layer's units less its bias."""
SLOPE = f"slope of {MEAN_SELECTIVITY} over stages"
"""Described and not judged: it repeats the claim about depth."""


def mean_selectivity_by(items: str) -> str:
    """Return the name of the mean by images, by objects, ...: numbers of different items are never compared."""
    return MEAN_SELECTIVITY if items == IMAGES else f"{MEAN_SELECTIVITY} by {items}"


_LESS_SELECTIVE = Claim(
    "less class selective in depth",
    "AutoLA exhibits less class selectivity than others",
    "selectivity", MEAN_SELECTIVITY, stage="last", direction=-1, margin=0.02,
)  # fmt: skip
CLAIMS = (
    _LESS_SELECTIVE,
    Claim(
        "alike in the first stage",
        "the distribution of class selectivity for ResNet50, SE, CBAM, and AutoLA appears to be matched closely",
        "selectivity", MEAN_SELECTIVITY, stage="first", direction=0, margin=0.02, share=0.25,
    ),
    _LESS_SELECTIVE.for_detectors(mean_selectivity_by(OBJECTS)),
)  # fmt: skip
