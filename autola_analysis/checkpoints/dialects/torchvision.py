"""torchvision's ResNets and wide ResNets, and timm's without attention, which share their names."""

from autola_analysis.checkpoints.dialects.base import DIALECTS, FALLBACK, Dialect

TORCHVISION = DIALECTS.register(FALLBACK)(Dialect(writer="torchvision's ResNet", mark=r"(?!)"))
