"""What "Auto Learning Attention" claims about features, and what extends it to detectors.

Statistic, layer, direction and margin were fixed before any result was looked at.
"""

from __future__ import annotations

from autola_analysis.statistics.claims import Claim

KNN_ACCURACY = "knn_accuracy"

_MORE_DISCRIMINATIVE = Claim(
    "more discriminative features",
    "networks with the searched HOGA can learn more discriminative features than those with other attention modules",
    "embedding", KNN_ACCURACY, stage="last", direction=1, margin=0.01,
)  # fmt: skip
CLAIMS = (_MORE_DISCRIMINATIVE, _MORE_DISCRIMINATIVE.for_detectors())
