"""ResNets for 32x32 images: three stages of basic blocks."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import nn

from autola_analysis.attention.registry import AttentionSpec, create_attention
from autola_analysis.backbones.blocks import BasicBlock, conv3x3
from autola_analysis.backbones.registry import BACKBONES, Backbone
from autola_analysis.backbones.resnet import ResNet


def cifar_resnet(
    blocks_per_stage: int,
    attention: AttentionSpec = "none",
    num_classes: int = 10,
    width: int = 16,
    shortcut: str = "B",
    attention_options: Mapping[str, Any] | None = None,
    **stages: Any,
) -> ResNet:
    """Build a CIFAR ResNet of depth ``6 * blocks_per_stage + 2``.

    Args:
        blocks_per_stage: Basic blocks in each of the three stages.
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
        depths=[blocks_per_stage] * 3,
        planes=[width, 2 * width, 4 * width],
        num_classes=num_classes,
        **stages,
    )


CIFAR_DEPTHS = {"resnet20": 3, "resnet32": 5, "resnet44": 7, "resnet56": 9, "resnet110": 18}

for _name, _blocks in CIFAR_DEPTHS.items():
    BACKBONES.register(_name)(Backbone(partial(cifar_resnet, _blocks), input_side=32))
