"""What "Auto Learning Attention" claims about the maps of HOGA networks, and what extends it to detectors.

Statistics, layers, directions and margins were fixed before any result was looked at.
"""

from __future__ import annotations

from autola_analysis.statistics.claims import Claim

_MORE_PRECISE = Claim(
    "masks cover the object more precisely",
    "Grad-CAM masks of the network with AutoLA cover the target object regions more precisely than other methods",
    "saliency", "grad-cam precision", stage="last", direction=1, margin=0.02,
)  # fmt: skip
CLAIMS = (
    _MORE_PRECISE,
    _MORE_PRECISE.for_detectors(beside=("grad-cam energy_box", "grad-cam odi")),
)
