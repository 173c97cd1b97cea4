"""Networks of this package, saved as a bare state dict: torchvision's names, the attention under ``attention``."""

from autola_analysis.checkpoints.dialects.base import DIALECTS, Dialect

OURS = DIALECTS.register("autola-analysis")(
    Dialect(writer="autola_analysis", mark=r"^layer\d+\.\d+\.attention\.(?!_ops\.|channel_back\.|se2?\.fc\.)")
)
