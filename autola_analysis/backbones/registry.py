"""Backbones by name, and the description from which one can be built again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from torch import nn

from autola_analysis.attention.genotype import Genotype, wiring_of
from autola_analysis.attention.registry import AttentionSpec
from autola_analysis.backbones.building import build_aside, build_outline
from autola_analysis.backbones.widths import count_parameters, nearest_width
from autola_analysis.core.errors import OptionError
from autola_analysis.core.registry import Registry


@dataclass(frozen=True)
class Backbone:
    """A family member that can be built by name.

    Attributes:
        build: ``(attention, num_classes, **options) -> network``.
        input_side: Side in pixels of the images it was designed for.
        width: Name of the option that widens it.
    """

    build: Callable[..., nn.Module]
    input_side: int
    width: str = "width"


BACKBONES: Registry[Backbone] = Registry("backbone")


def list_backbones() -> list[str]:
    """Return the names that `create_model` accepts."""
    return BACKBONES.names()


def create_model(
    backbone: str,
    attention: AttentionSpec = "none",
    num_classes: int = 1000,
    *,
    match_parameters: int | None = None,
    **options: Any,
) -> nn.Module:
    """Build a network with random weights.

    Args:
        backbone: A registered name, see `list_backbones`.
        attention: A registered name, a module class, or a callable ``channels -> Module``; never an instance.
        num_classes: Outputs of the head; 0 builds the network without a head, which returns pooled features.
        match_parameters: Number of parameters; the network gets the width at which its own number, of the whole
            network, is nearest to it. `ModelSpec.matched` returns that width.
        options: Of the backbone: ``width`` (base width; ``inner_width`` where blocks are bottlenecks), ``shortcut``
            ("A" or "B", CIFAR networks), ``position`` ("inner" or "outer", bottleneck blocks), ``attention_options`` (a
            mapping passed to every module), ``stages`` (how many are built) and ``stage_strides`` (1 or 2 for each).

    Raises:
        UnknownNameError: If the backbone or attention is not known.
        OptionError: If the backbone does not take an option, its value is not allowed, or the narrowest network has
            more than `match_parameters` parameters.
    """
    if match_parameters is not None:
        name = BACKBONES.get(backbone).width
        if name in options:
            raise OptionError(f"match_parameters chooses the width; leave {name} out.")
        options = {**options, name: matched_width(backbone, match_parameters, attention, num_classes, **options)}
    build = BACKBONES.get(backbone).build
    try:
        return build(attention=attention, num_classes=num_classes, **options)
    except TypeError as error:
        raise OptionError(
            f"cannot build {backbone} with these options: {error} (options of its attention go into attention_options)."
        ) from error


def matched_width(
    backbone: str, parameters: int, attention: AttentionSpec = "none", num_classes: int = 1000, **options: Any
) -> int:
    """Return the width at which a network has as nearly as possible a number of parameters; see `nearest_width`.

    Args:
        backbone: As `create_model` takes it.
        parameters: To match.
        attention: As `create_model` takes it.
        num_classes: As `create_model` takes it.
        options: Of the backbone; a width among them is not looked at.

    Raises:
        UnknownNameError: If the backbone or attention is not known.
        OptionError: If no width can be built, or the narrowest network has more parameters.
    """
    name = BACKBONES.get(backbone).width
    aside = build_outline if isinstance(attention, str) else build_aside  # an own module may need real numbers

    def build(width: int) -> nn.Module:
        return aside(lambda: create_model(backbone, attention, num_classes, **{**options, name: width}))

    module = attention if isinstance(attention, str) else getattr(attention, "__name__", "its attention")
    return nearest_width(build, parameters, f"{backbone} with the attention {module}")


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

    def matched(self, parameters: int) -> ModelSpec:
        """Return the spec with the width at which the network has as nearly as possible a number of parameters.

        Raises:
            OptionError: If the narrowest network has more parameters.
        """
        options = {"attention_options": self.attention_options, **self.options}
        width = matched_width(self.backbone, parameters, self.attention, self.num_classes, **options)
        return replace(self, options={**self.options, BACKBONES.get(self.backbone).width: width})

    @property
    def parameters(self) -> int:
        """Number of parameters of the network; its attention has to be a registered one."""
        return count_parameters(build_outline(self.build))

    @property
    def wiring(self) -> Genotype | None:
        """The wiring of its HOGA modules; None where it has none."""
        return wiring_of(self.attention, self.attention_options)

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
