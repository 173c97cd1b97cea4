"""ResNets for 32x32 images: stages of basic blocks, three of them but in the network that the AutoLA search used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from torch import nn

from autola_analysis.attention.registry import AttentionSpec, create_attention
from autola_analysis.backbones.blocks import BasicBlock, conv3x3
from autola_analysis.backbones.registry import BACKBONES, Backbone
from autola_analysis.backbones.resnet import ResNet


def cifar_resnet(
    depths: Sequence[int],
    attention: AttentionSpec = "none",
    num_classes: int = 10,
    width: int = 16,
    shortcut: str = "B",
    attention_options: Mapping[str, Any] | None = None,
    **stages: Any,
) -> ResNet:
    """Build a CIFAR ResNet; with three stages of n blocks it has the depth ``6 n + 2``.

    Args:
        depths: Basic blocks in each stage; every stage after the first has twice the channels of the one before.
        attention: Name, class or callable, see `create_attention`.
        num_classes: Outputs of the head; 0 for none.
        width: Channels of the first stage (16 for CIFAR-10, 64 for CIFAR-100 in the AutoLA paper).
        shortcut: "A" (no parameters) or "B" (1x1 convolution and batch norm).
        attention_options: Passed to every attention module.
        stages: `ResNet`'s options ``stages`` and ``stage_strides``.

    References:
        He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, section 4.2.
    """
    build_attention = partial(create_attention, attention, **(attention_options or {}))
    return ResNet(
        stem={"conv1": conv3x3(3, width), "bn1": nn.BatchNorm2d(width), "relu": nn.ReLU(inplace=True)},
        block=partial(BasicBlock, attention=build_attention, shortcut_kind=shortcut),
        expansion=1,
        depths=depths,
        planes=[width * 2**stage for stage in range(len(depths))],
        num_classes=num_classes,
        **stages,
    )


CIFAR_DEPTHS = {
    **{f"resnet{6 * blocks + 2}": (blocks,) * 3 for blocks in (3, 5, 7, 9, 18, 1, 2)},
    "autola_resnet34": (3, 4, 6, 3),
}
"""``autola_resnet34`` is the network in which the AutoLA authors' released code searches."""

for _name, _depths in CIFAR_DEPTHS.items():
    BACKBONES.register(_name)(Backbone(partial(cifar_resnet, _depths), input_side=32))
