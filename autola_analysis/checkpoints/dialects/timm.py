"""timm's ``seresnet*``: the gate as 1x1 convolutions ``se.fc1``, ``se.fc2`` with biases."""

from autola_analysis.checkpoints.dialects.base import DIALECTS, Dialect, flatten_pointwise

TIMM = DIALECTS.register("timm-se")(
    Dialect(
        writer="timm",
        mark=r"^layer\d+\.\d+\.se\.fc1\.weight$",
        renames=((r"\.se\.(fc[12])\.", r".attention.gate.\1."),),
        adapt=flatten_pointwise,
    )
)
