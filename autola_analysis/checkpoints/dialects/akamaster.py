"""pytorch_resnet_cifar10: the head ``linear``, projections (option B) under ``shortcut``."""

from autola_analysis.checkpoints.dialects.base import DIALECTS, Dialect

AKAMASTER = DIALECTS.register("pytorch_resnet_cifar10")(
    Dialect(
        writer="pytorch_resnet_cifar10",
        mark=r"^linear\.weight$",
        renames=((r"^linear\.", "fc."), (r"\.shortcut\.([01])\.", r".downsample.\1.")),
    )
)
