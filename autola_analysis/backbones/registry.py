"""Backbones by name, and the description from which one can be built again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from torch import nn

from autola_analysis.attention.registry import AttentionSpec
from autola_analysis.core.errors import OptionError
from autola_analysis.core.registry import Registry


@dataclass(frozen=True)
class Backbone:
    """A family member that can be built by name.

    Attributes:
        build: ``(attention, num_classes, **options) -> network``.
        input_side: Side in pixels of the images it was designed for.
    """

    build: Callable[..., nn.Module]
    input_side: int


BACKBONES: Registry[Backbone] = Registry("backbone")


def list_backbones() -> list[str]:
    """Return the names that `create_model` accepts."""
    return BACKBONES.names()


def create_model(
    backbone: str, attention: AttentionSpec = "none", num_classes: int = 1000, **options: Any
) -> nn.Module:
    """Build a network with random weights.

    Args:
        backbone: A registered name, see `list_backbones`.
        attention: A registered name, a module class, or a callable ``channels -> Module``; never an instance.
        num_classes: Outputs of the head; 0 builds the network without a head, which returns pooled features.
        options: Of the backbone: ``width`` (base width), ``shortcut`` ("A" or "B", CIFAR networks), ``position``
            ("inner" or "outer", bottleneck blocks), ``attention_options`` (a mapping passed to every module).

    Raises:
        UnknownNameError: If the backbone or attention is not known.
        OptionError: If the backbone does not take an option, or its value is not allowed.
    """
    build = BACKBONES.get(backbone).build
    try:
        return build(attention=attention, num_classes=num_classes, **options)
    except TypeError as error:
        raise OptionError(f"cannot build {backbone} with these options: {error}.") from error


@dataclass(frozen=True)
class ModelSpec:
    """What a network is, in values that fit into JSON: enough to build it again.

    Attributes:
        backbone: Registered name of the backbone.
        attention: Registered name of the attention module.
        num_classes: Outputs of the head; 0 without a head.
        options: Options of the backbone that differ from its defaults.
        attention_options: Options of the attention module that differ from its defaults.
    """

    backbone: str
    attention: str = "none"
    num_classes: int = 1000
    options: Mapping[str, Any] = field(default_factory=dict)
    attention_options: Mapping[str, Any] = field(default_factory=dict)

    def build(self) -> nn.Module:
        """Build the network with random weights."""
        return create_model(
            self.backbone, self.attention, self.num_classes, attention_options=self.attention_options, **self.options
        )

    @property
    def input_side(self) -> int:
        """Side in pixels of the images that the backbone was designed for."""
        return BACKBONES.get(self.backbone).input_side

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a JSON-ready dictionary."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ModelSpec:
        """Make a spec of what `to_dict` returned."""
        return cls(**values)
