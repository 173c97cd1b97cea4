"""The AutoLA authors' networks: ``attention._ops.N``, ``se``, ``se2``, ``channel_back``, layer3 stored twice."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import Tensor

from autola_analysis.attention import Genotype
from autola_analysis.checkpoints.dialects.attention_module import CBAM_RENAMES
from autola_analysis.checkpoints.dialects.base import DIALECTS, Dialect
from autola_analysis.core.errors import CheckpointError

_ALIAS = re.compile(r"^layers\.(\d+\..+)$")


def adapt(state: dict[str, Tensor], genotype: Genotype | None, path: Path) -> dict[str, Tensor]:
    """Drop the second copy of the last stage and tell ``SE_A_M`` from ``SE`` by the genotype, where it is given."""
    return _with_named_gates(_without_aliases(state, path), genotype)


def _without_aliases(state: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Remove ``layers.*``, a second name of the last stage, after checking that it is one.

    Raises:
        CheckpointError: If the two copies differ.
    """
    stages = [int(match.group(1)) for name in state if (match := re.match(r"layer(\d+)\.", name))]
    last = f"layer{max(stages, default=0)}"
    kept = dict(state)
    for name, tensor in state.items():
        alias = _ALIAS.match(name)
        if alias is None:
            continue
        original = state.get(f"{last}.{alias.group(1)}")
        if original is None or not torch.equal(original, tensor):
            found = "absent" if original is None else "different"
            raise CheckpointError(
                f"{path} stores {last} a second time under layers, but {last}.{alias.group(1)} is {found}; the file "
                "was edited or damaged, so use the original."
            )
        del kept[name]
    return kept


def _with_named_gates(state: dict[str, Tensor], genotype: Genotype | None) -> dict[str, Tensor]:
    """Name the perceptron of ``SE_A_M`` operations ours; in the file it looks like that of ``SE``."""
    if genotype is None:
        return state
    pooled_twice = {str(index) for index, (operation, _) in enumerate(genotype.edges) if operation == "SE_A_M"}

    def rename(match: re.Match[str]) -> str:
        return f"{match.group(1)}.gate.mlp." if match.group(2) in pooled_twice else match.group(0)

    return {re.sub(r"(\.ops\.(\d+))\.gate\.(?=fc[12]\.)", rename, name): tensor for name, tensor in state.items()}


AUTOLA = DIALECTS.register("autola-authors")(
    Dialect(
        writer="the AutoLA authors' code",
        mark=r"^layer\d+\.\d+\.attention\.(_ops\.|channel_back\.)",
        renames=(
            (r"\.attention\._ops\.(\d+)\.op\.", r".attention.ops.\1.gate."),
            (r"\.attention\._ops\.(\d+)\.fc\.0\.", r".attention.ops.\1.gate.fc1."),
            (r"\.attention\._ops\.(\d+)\.fc\.2\.", r".attention.ops.\1.gate.fc2."),
            (r"\.attention\._ops\.(\d+)\.(?=ChannelGate|SpatialGate)", r".attention.ops.\1."),
            *CBAM_RENAMES,
            (r"\.attention\.se\.fc\.0\.", ".attention.se_a.gate.fc1."),
            (r"\.attention\.se\.fc\.2\.", ".attention.se_a.gate.fc2."),
            (r"\.attention\.se2\.fc\.0\.", ".attention.se_b.gate.fc1."),
            (r"\.attention\.se2\.fc\.2\.", ".attention.se_b.gate.fc2."),
            (r"\.attention\.channel_back\.", ".attention.fuse."),
        ),
        adapt=adapt,
    )
)
