"""What "Auto Learning Attention" claims about the selectivity of units.

Statistics, layers, directions and margins were fixed before any result was looked at.
"""

from __future__ import annotations

from autola_analysis.statistics.claims import Claim

MEAN_SELECTIVITY = "corrected_mean_selectivity"
"""The mean class selectivity of a layer's units less its bias."""
SLOPE = f"slope of {MEAN_SELECTIVITY} over stages"
"""Described and not judged: it repeats the claim about depth."""

CLAIMS = (
    Claim(
        "less class selective in depth",
        "AutoLA exhibits less class selectivity than others",
        "selectivity", MEAN_SELECTIVITY, stage="last", direction=-1, margin=0.02,
    ),
    Claim(
        "alike in the first stage",
        "the distribution of class selectivity for ResNet50, SE, CBAM, and AutoLA appears to be matched closely",
        "selectivity", MEAN_SELECTIVITY, stage="first", direction=0, margin=0.02, share=0.25,
    ),
)  # fmt: skip
