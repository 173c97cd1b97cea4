"""The attention-module project of the CBAM authors: ``cbam.ChannelGate``, ``cbam.SpatialGate``."""

from autola_analysis.checkpoints.dialects.base import DIALECTS, Dialect, Renames

CBAM_RENAMES: Renames = (
    (r"\.ChannelGate\.mlp\.1\.", ".channel_gate.mlp.fc1."),
    (r"\.ChannelGate\.mlp\.3\.", ".channel_gate.mlp.fc2."),
    (r"\.SpatialGate\.spatial\.", ".spatial_gate."),
)

ATTENTION_MODULE = DIALECTS.register("attention-module")(
    Dialect(
        writer="the attention-module project (CBAM)",
        mark=r"^layer\d+\.\d+\.cbam\.ChannelGate\.",
        renames=((r"\.cbam\.", ".attention."), *CBAM_RENAMES),
    )
)
