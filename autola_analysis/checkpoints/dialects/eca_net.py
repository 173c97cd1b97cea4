"""ECA-Net's ResNets: the module under ``eca``."""

from autola_analysis.checkpoints.dialects.base import DIALECTS, Dialect

ECA_NET = DIALECTS.register("eca-net")(
    Dialect(
        writer="ECA-Net",
        mark=r"^layer\d+\.\d+\.eca\.conv\.weight$",
        renames=((r"\.eca\.", ".attention."),),
    )
)
