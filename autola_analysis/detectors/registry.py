"""Detectors by name, and the description from which one can be built again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from torch import nn

from autola_analysis.attention import Genotype
from autola_analysis.attention.registry import AttentionSpec
from autola_analysis.backbones.building import build_outline
from autola_analysis.backbones.registry import ModelSpec, create_model
from autola_analysis.backbones.resnet import ResNet
from autola_analysis.backbones.widths import count_parameters
from autola_analysis.core.errors import OptionError
from autola_analysis.core.registry import Registry

KEYPOINTS = "keypoints"
"""Task of networks for joints"""
Trunk = Callable[..., ResNet]
"""Builds the backbone without its head, from the options ``stages`` and ``stage_strides`` of the detector."""


@dataclass(frozen=True)
class Detector:
    """A kind of detector that can be built by name.

    Attributes:
        build: ``(trunk, classes, **options) -> network``.
        classes: Number of classes, or of joints, of its data set in the literature.
        task: What its outputs mean.
        description: One line for lists.
    """

    build: Callable[..., nn.Module]
    classes: int
    task: str = "detection"
    description: str = ""


DETECTORS: Registry[Detector] = Registry("detector")


def list_detectors() -> list[str]:
    """Return the names that `create_detector` accepts."""
    return DETECTORS.names()


def create_detector(
    kind: str,
    backbone: str = "resnet50",
    attention: AttentionSpec = "none",
    classes: int | None = None,
    *,
    attention_options: Mapping[str, Any] | None = None,
    backbone_options: Mapping[str, Any] | None = None,
    **options: Any,
) -> nn.Module:
    """Build a detector with random weights. Attention goes into the backbone's blocks only.

    Args:
        kind: A registered name, see `list_detectors`.
        backbone: A registered name of a ResNet, see `list_backbones`.
        attention: A registered name, a module class, or a callable ``channels -> Module``; never an instance.
        classes: Classes of objects without the background, or joints; None takes those of COCO: 80, or 17.
        attention_options: Passed to every attention module.
        backbone_options: As `create_model` takes them.
        options: Of the detector, see `ssd300`, `faster_rcnn` and `simple_baseline`.

    Raises:
        UnknownNameError: If the detector, backbone or attention is not known.
        OptionError: If the detector or the backbone does not take an option, or its value is not allowed.
    """
    detector = DETECTORS.get(kind)
    classes = detector.classes if classes is None else classes
    if classes < 1:
        raise OptionError(f"a detector tells at least one class or joint; found classes={classes}.")

    def trunk(**stages: Any) -> nn.Module:
        own = {"attention_options": attention_options, **stages, **(backbone_options or {})}
        return create_model(backbone, attention, 0, **own)

    try:
        return detector.build(trunk, classes, **options)
    except TypeError as error:
        raise OptionError(f"cannot build {kind} with these options: {error}.") from error


@dataclass(frozen=True)
class DetectorSpec:
    """What a detector is, in values that fit into JSON: enough to build it again.

    Attributes:
        kind: Registered name of the detector.
        backbone: The network inside, without a head (``num_classes=0``).
        classes: Classes of objects without the background, or joints.
        options: Options of the detector that differ from its defaults.
    """

    kind: str
    backbone: ModelSpec
    classes: int
    options: Mapping[str, Any] = field(default_factory=dict)

    def build(self) -> nn.Module:
        """Build the detector with random weights."""
        return create_detector(
            self.kind,
            self.backbone.backbone,
            self.backbone.attention,
            self.classes,
            attention_options=self.backbone.attention_options,
            backbone_options=self.backbone.options,
            **self.options,
        )

    @property
    def named(self) -> str:
        """What the network names, in the singular: "joint", or "class", also of a kind that is not known."""
        return "joint" if self.kind in DETECTORS and DETECTORS.get(self.kind).task == KEYPOINTS else "class"

    @property
    def attention(self) -> str:
        """Name of the attention in the backbone."""
        return self.backbone.attention

    @property
    def wiring(self) -> Genotype | None:
        """Wiring of the backbone's HOGA modules; None where it has none."""
        return self.backbone.wiring

    @property
    def parameters(self) -> int:
        """Number of parameters of the detector; its attention has to be a registered one."""
        return count_parameters(build_outline(self.build))

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a JSON-ready dictionary."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> DetectorSpec:
        """Make a spec of what `to_dict` returned."""
        return cls(**{**values, "backbone": ModelSpec.from_dict(values["backbone"])})
