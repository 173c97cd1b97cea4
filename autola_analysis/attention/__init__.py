"""The pluggable attention modules: registry, SE, CBAM, HOGA and its genotypes, and others that papers compare with."""

from autola_analysis.attention import timm_factory
from autola_analysis.attention.cbam import CBAM
from autola_analysis.attention.coordinate import CoordinateAttention
from autola_analysis.attention.efficient_channel import EfficientChannelAttention
from autola_analysis.attention.genotype import RELEASED, Genotype
from autola_analysis.attention.global_context import GlobalContext
from autola_analysis.attention.hoga import HighOrderGroupAttention
from autola_analysis.attention.mixture import HogaSearch
from autola_analysis.attention.registry import create_attention, list_attentions, register_attention
from autola_analysis.attention.simam import SimAM
from autola_analysis.attention.squeeze_excitation import SqueezeExcitation
from autola_analysis.attention.triplet import TripletAttention

__all__ = [
    "CBAM",
    "RELEASED",
    "CoordinateAttention",
    "EfficientChannelAttention",
    "Genotype",
    "GlobalContext",
    "HighOrderGroupAttention",
    "HogaSearch",
    "SimAM",
    "SqueezeExcitation",
    "TripletAttention",
    "create_attention",
    "list_attentions",
    "register_attention",
    "timm_factory",
]
