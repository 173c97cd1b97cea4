"""What "Auto Learning Attention" claims about the selectivity of units.

Statistics, layers, directions and margins were fixed before any result was looked at.
"""

from __future__ import annotations

from autola_analysis.statistics.claims import Claim

MEAN_SELECTIVITY = "mean_selectivity"
SLOPE = f"slope of {MEAN_SELECTIVITY} over stages"

CLAIMS = (
    Claim(
        "less class selective in depth",
        'In deep layers the units of the HOGA network are "less class selective" than those of the others.',
        "selectivity", MEAN_SELECTIVITY, stage="last", direction=-1, margin=0.02,
    ),
    Claim(
        "alike in the first stage",
        'In early layers the class selectivities of all networks are "matched closely".',
        "selectivity", MEAN_SELECTIVITY, stage="first", direction=0, margin=0.02,
    ),
    Claim(
        "the less selective the deeper",
        'That the HOGA network is "less class selective" is said of deep layers: the difference grows with depth.',
        "selectivity", SLOPE, stage="all", direction=-1, margin=0.0,
    ),
)  # fmt: skip
