"""The common part of all ResNets here: stem, stages, pooling, head."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from autola_analysis.attention.edge_layers import EdgeConv2d
from autola_analysis.core.errors import OptionError

StageBlock = Callable[[int, int, int], nn.Module]
"""(input channels, planes, stride) -> block"""


class ResNet(nn.Module):
    """A stem, stages ``layer1``, ``layer2``, ... that end after a ReLU, global mean, linear head.

    Parameter names are torchvision's.

    Args:
        stem: Layers before the first stage, by name; the last one puts out ``planes[0]`` channels.
        block: Builds one block from (input channels, planes, stride).
        expansion: Output channels of a block over its planes.
        depths: Number of blocks of each stage.
        planes: Planes of each stage.
        num_classes: Outputs of the head; 0 for none.
        stages: Number of stages that are built, from the first on; None for all.
        stage_strides: Stride of each stage that is built; None halves the resolution in every stage after the first.

    Raises:
        OptionError: If `stages` or `stage_strides` does not fit the number of stages.
    """

    def __init__(
        self,
        stem: dict[str, nn.Module],
        block: StageBlock,
        expansion: int,
        depths: Sequence[int],
        planes: Sequence[int],
        num_classes: int,
        stages: int | None = None,
        stage_strides: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        depths, planes = depths[: _stage_count(stages, len(depths))], planes[:stages]
        strides = _stage_strides(stage_strides, len(depths))
        for name, module in stem.items():
            self.add_module(name, module)
        self._stem = tuple(stem)
        self._stages = tuple(f"layer{stage}" for stage in range(1, len(depths) + 1))
        channels = planes[0]
        self.stage_channels = tuple(width * expansion for width in planes)
        for name, depth, width, stride in zip(self._stages, depths, planes, strides, strict=True):
            blocks = nn.Sequential()
            for index in range(depth):
                blocks.append(block(channels, width, stride if index == 0 else 1))
                channels = width * expansion
            self.add_module(name, blocks)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, num_classes) if num_classes else nn.Identity()
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits ``(B, num_classes)``, or pooled features ``(B, channels)`` without a head."""
        for name in (*self._stem, *self._stages):
            x = self.get_submodule(name)(x)
        return self.fc(torch.flatten(self.avgpool(x), 1))

    def stages(self, x: Tensor) -> dict[str, Tensor]:
        """Return the output of every stage by its name, ``{"layer1": (B, C1, H1, W1), ...}``."""
        for name in self._stem:
            x = self.get_submodule(name)(x)
        maps = {}
        for name in self._stages:
            x = maps[name] = self.get_submodule(name)(x)
        return maps


def _stage_count(stages: int | None, most: int) -> int:
    if stages is not None and not 1 <= stages <= most:
        raise OptionError(f"stages is a number from 1 to {most}; found {stages!r}.")
    return most if stages is None else stages


def _stage_strides(strides: Sequence[int] | None, stages: int) -> Sequence[int]:
    if strides is None:
        return (1,) + (2,) * (stages - 1)
    if len(strides) != stages or any(stride not in (1, 2) for stride in strides):
        raise OptionError(f"stage_strides holds 1 or 2 for each of the {stages} stages; found {list(strides)}.")
    return strides


def initialise(model: nn.Module) -> None:
    """Draw convolution weights from He's normal distribution for ReLU networks, as torchvision does."""
    for module in model.modules():
        if isinstance(module, EdgeConv2d):
            module.reset_edges()
        elif isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
