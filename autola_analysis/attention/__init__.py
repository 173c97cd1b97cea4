"""The pluggable attention modules: registry, SE, CBAM, HOGA and its genotypes."""

from autola_analysis.attention.cbam import CBAM
from autola_analysis.attention.genotype import RELEASED, Genotype
from autola_analysis.attention.hoga import HighOrderGroupAttention
from autola_analysis.attention.mixture import HogaSearch
from autola_analysis.attention.registry import create_attention, list_attentions, register_attention
from autola_analysis.attention.squeeze_excitation import SqueezeExcitation

__all__ = [
    "CBAM",
    "RELEASED",
    "Genotype",
    "HighOrderGroupAttention",
    "HogaSearch",
    "SqueezeExcitation",
    "create_attention",
    "list_attentions",
    "register_attention",
]
