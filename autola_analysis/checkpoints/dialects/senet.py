"""senet.pytorch's SE networks for CIFAR and ImageNet: the gate as ``se.fc.0``, ``se.fc.2``."""

from autola_analysis.checkpoints.dialects.base import DIALECTS, Dialect, flatten_pointwise

SENET = DIALECTS.register("senet.pytorch")(
    Dialect(
        writer="senet.pytorch",
        mark=r"^layer\d+\.\d+\.se\.fc\.0\.weight$",
        renames=((r"\.se\.fc\.0\.", ".attention.gate.fc1."), (r"\.se\.fc\.2\.", ".attention.gate.fc2.")),
        adapt=flatten_pointwise,
    )
)
