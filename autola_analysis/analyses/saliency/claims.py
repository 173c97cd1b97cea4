"""What "Auto Learning Attention" claims about the maps of HOGA networks; fixed before any result was looked at."""

from __future__ import annotations

from autola_analysis.statistics.claims import Claim

CLAIMS = (
    Claim(
        "masks cover the object more precisely",
        "Grad-CAM masks of the network with AutoLA cover the target object regions more precisely than other methods",
        "saliency", "grad-cam precision", stage="last", direction=1, margin=0.02,
    ),
)  # fmt: skip
