"""Naming schemes of other people's ResNets, each translated into ours."""

from autola_analysis.checkpoints.dialects import (
    akamaster,
    attention_module,
    autola,
    eca_net,
    ours,
    senet,
    timm,
    torchvision,
)
from autola_analysis.checkpoints.dialects.base import DIALECTS, Dialect, Translation, translate

__all__ = [
    "DIALECTS",
    "Dialect",
    "Translation",
    "akamaster",
    "attention_module",
    "autola",
    "eca_net",
    "ours",
    "senet",
    "timm",
    "torchvision",
    "translate",
]
