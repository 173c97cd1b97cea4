"""The common part of all ResNets here: stem, stages, pooling, head."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from autola_analysis.attention.candidates import EdgeConv2d

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
        planes: Planes of each stage; every stage after the first halves the resolution.
        num_classes: Outputs of the head; 0 for none.
    """

    def __init__(
        self,
        stem: dict[str, nn.Module],
        block: StageBlock,
        expansion: int,
        depths: Sequence[int],
        planes: Sequence[int],
        num_classes: int,
    ) -> None:
        super().__init__()
        for name, module in stem.items():
            self.add_module(name, module)
        self._stem = tuple(stem)
        self._stages = tuple(f"layer{stage}" for stage in range(1, len(depths) + 1))
        channels = planes[0]
        for stage, (depth, width) in enumerate(zip(depths, planes, strict=True)):
            blocks = nn.Sequential()
            for index in range(depth):
                blocks.append(block(channels, width, 2 if stage > 0 and index == 0 else 1))
                channels = width * expansion
            self.add_module(self._stages[stage], blocks)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, num_classes) if num_classes else nn.Identity()
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits ``(B, num_classes)``, or pooled features ``(B, channels)`` without a head."""
        for name in (*self._stem, *self._stages):
            x = self.get_submodule(name)(x)
        return self.fc(torch.flatten(self.avgpool(x), 1))


def initialise(model: nn.Module) -> None:
    """Draw convolution weights from He's normal distribution for ReLU networks, as torchvision does."""
    for module in model.modules():
        if isinstance(module, EdgeConv2d):
            module.reset_edges()
        elif isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
