"""ResNets for 224x224 images: four stages of basic or bottleneck blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from torch import nn

from autola_analysis.attention.registry import AttentionSpec, attention_factory, create_attention
from autola_analysis.backbones.blocks import BasicBlock, Bottleneck, Position
from autola_analysis.backbones.registry import BACKBONES, Backbone
from autola_analysis.backbones.resnet import ResNet
from autola_analysis.core.errors import OptionError


def _stem(width: int) -> dict[str, nn.Module]:
    return {
        "conv1": nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False),
        "bn1": nn.BatchNorm2d(width),
        "relu": nn.ReLU(inplace=True),
        "maxpool": nn.MaxPool2d(3, stride=2, padding=1),
    }


def basic_resnet(
    depths: Sequence[int],
    attention: AttentionSpec = "none",
    num_classes: int = 1000,
    width: int = 64,
    attention_options: Mapping[str, Any] | None = None,
    **stages: Any,
) -> ResNet:
    """Build an ImageNet ResNet of basic blocks (ResNet-18, ResNet-34).

    Args:
        depths: Blocks of each of the four stages.
        attention: Name, class or callable, see `create_attention`.
        num_classes: Outputs of the head; 0 for none.
        width: Channels of the first stage; 96 and 128 give the 1.5 and 2 times wide networks.
        attention_options: Passed to every attention module.
        stages: `ResNet`'s options ``stages`` and ``stage_strides``.

    References:
        He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition", CVPR 2016.
    """
    return ResNet(
        stem=_stem(width),
        block=partial(BasicBlock, attention=partial(create_attention, attention, **(attention_options or {}))),
        expansion=BasicBlock.expansion,
        depths=depths,
        planes=[width * 2**stage for stage in range(4)],
        num_classes=num_classes,
        **stages,
    )


def bottleneck_position(attention: AttentionSpec) -> Position:
    """Return where an attention module goes in a bottleneck block unless the user says otherwise."""
    position: Position = getattr(attention_factory(attention), "bottleneck_position", "outer")
    return position


def bottleneck_resnet(
    depths: Sequence[int],
    attention: AttentionSpec = "none",
    num_classes: int = 1000,
    inner_width: int = 64,
    position: Position | None = None,
    attention_options: Mapping[str, Any] | None = None,
    **stages: Any,
) -> ResNet:
    """Build an ImageNet ResNet of bottleneck blocks, the stride in the 3x3 convolution as torchvision has it.

    Args:
        depths: Blocks of each of the four stages.
        attention: Name, class or callable, see `create_attention`.
        num_classes: Outputs of the head; 0 for none.
        inner_width: Channels of the first stage's 3x3 convolutions (128 in wide_resnet50_2).
        position: "inner" or "outer", see `Bottleneck`; None leaves it to the attention module.
        attention_options: Passed to every attention module.
        stages: `ResNet`'s options ``stages`` and ``stage_strides``.

    Raises:
        OptionError: If `position` is neither "inner" nor "outer".

    References:
        He et al., CVPR 2016; Zagoruyko and Komodakis, "Wide Residual Networks", BMVC 2016.
    """
    position = position or bottleneck_position(attention)
    if position not in ("inner", "outer"):
        raise OptionError(f"position is 'inner' or 'outer'; found {position!r}.")
    build_attention = partial(create_attention, attention, **(attention_options or {}))

    def block(in_channels: int, planes: int, stride: int) -> Bottleneck:
        return Bottleneck(in_channels, planes, planes * inner_width // 64, stride, build_attention, position)

    return ResNet(
        stem=_stem(64),
        block=block,
        expansion=Bottleneck.expansion,
        depths=depths,
        planes=[64, 128, 256, 512],
        num_classes=num_classes,
        **stages,
    )


for _name, _build in {
    "resnet18": partial(basic_resnet, (2, 2, 2, 2)),
    "resnet34": partial(basic_resnet, (3, 4, 6, 3)),
    "resnet50": partial(bottleneck_resnet, (3, 4, 6, 3)),
    "resnet101": partial(bottleneck_resnet, (3, 4, 23, 3)),
    "resnet152": partial(bottleneck_resnet, (3, 8, 36, 3)),
    "wide_resnet18_1.5": partial(basic_resnet, (2, 2, 2, 2), width=96),
    "wide_resnet18_2": partial(basic_resnet, (2, 2, 2, 2), width=128),
    "wide_resnet50_2": partial(bottleneck_resnet, (3, 4, 6, 3), inner_width=128),
}.items():
    _width = "inner_width" if _build.func is bottleneck_resnet else "width"
    BACKBONES.register(_name)(Backbone(_build, input_side=224, width=_width))
