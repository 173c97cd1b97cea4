"""What every recipe says, whatever it trains, and the schedule that detectors and poses share."""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import nn

from autola_analysis.backbones import ModelSpec
from autola_analysis.core.errors import OptionError
from autola_analysis.core.registry import nearest
from autola_analysis.detectors import DetectorSpec

if TYPE_CHECKING:
    from typing import Self

    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")
OPTIMIZERS = ("sgd", "adam")
DECAYS = ("all", "weights")
SECOND_BETA = 0.999
"""Of Adam, as everywhere"""


@dataclass(frozen=True)
class Plan(ABC):
    """What decides a training, apart from the network's attention and the seed. Each task has a subclass.

    Attributes:
        description: One line for ``list recipes``.
        data: Source of the images, as ``--data`` takes it.
        test_split: Split that quality is measured on; nothing is selected by it but an epoch to keep at an accuracy.
        backbone: Default backbone.
        width: Base width of the network; 0 leaves the backbone's own.
        epochs: Passes over the training split.
        batch_size: Images per step.
        learning_rate: Peak of the schedule.
        momentum: Of stochastic gradient descent; of Adam, its first beta.
        weight_decay: Of what decays.

    Raises:
        OptionError: If a value is out of its range.
    """

    description: str
    data: str
    test_split: str = "test"
    backbone: str = "resnet20"
    width: int = 0
    epochs: int = 500
    batch_size: int = 256
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4

    def __post_init__(self) -> None:
        check_signs(
            self,
            positive=("epochs", "batch_size", "learning_rate"),
            not_negative=("width", "momentum", "weight_decay"),
        )

    @property
    def largest_gradient(self) -> float:
        """Largest norm of the gradient of all parameters; 0 for any."""
        return 0.0

    @abstractmethod
    def network(self, backbone: ModelSpec, outputs: int) -> ModelSpec | DetectorSpec:
        """Return what is trained.

        Args:
            backbone: Without a head.
            outputs: Number of classes, or of joints.
        """

    @abstractmethod
    def optimizer_of(self, model: nn.Module) -> torch.optim.Optimizer:
        """Return the optimiser of a network's parameters that are trained."""

    @abstractmethod
    def rate_at(self, step: int, steps_per_epoch: int) -> float:
        """Return the learning rate of a step, counted from 0, as a share of `learning_rate`."""

    @abstractmethod
    def outcome(self, metrics: Mapping[str, float]) -> str:
        """Return what a terminal says of the trained network."""

    def overridden(self, values: Mapping[str, str]) -> Self:
        """Return a copy with some values replaced, given as text the way a command line has them.

        Raises:
            OptionError: If a key is unknown or a value does not have the key's type.
        """
        return overridden(self, values)

    def to_dict(self) -> dict[str, Any]:
        """Return the values as a JSON-ready dictionary."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


@dataclass(frozen=True)
class MilestonePlan(Plan):
    """A plan whose learning rate rises from a start and falls by a factor at milestones.

    Attributes:
        optimizer: "sgd", or "adam".
        decay: What decays: "all" parameters, or "weights", those of more than one dimension: neither biases nor what
            belongs to a batch norm.
        milestones: Epochs, counted from 1, at whose end the rate falls.
        factor: What it falls by.
        warmup_epochs: Length of a linear warm-up, in epochs.
        warmup_steps: The same in steps; at most one of both.
        warmup_start: Share of the rate at the first step of the warm-up.
        clip_gradient: Largest norm of the gradient of all parameters; 0 for any.
    """

    optimizer: str = "sgd"
    decay: str = "all"
    milestones: tuple[int, ...] = ()
    factor: float = 0.1
    warmup_epochs: float = 0.0
    warmup_steps: int = 0
    warmup_start: float = 0.0
    clip_gradient: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, known in (("optimizer", OPTIMIZERS), ("decay", DECAYS)):
            if getattr(self, name) not in known:
                raise OptionError(f"{name} is one of {', '.join(known)}; found {getattr(self, name)!r}.")
        check_signs(self, ("factor",), ("warmup_epochs", "warmup_steps", "warmup_start", "clip_gradient"))
        if self.warmup_epochs and self.warmup_steps:
            raise OptionError(
                f"a warm-up has a length in epochs or in steps; found warmup_epochs={self.warmup_epochs:g} and "
                f"warmup_steps={self.warmup_steps}, so set one of them to 0."
            )
        if any(type(milestone) is not int or milestone < 1 for milestone in self.milestones):
            raise OptionError(f"milestones holds numbers of epochs, from 1 on; found {list(self.milestones)}.")

    @property
    def largest_gradient(self) -> float:
        """Largest norm of the gradient of all parameters; 0 for any."""
        return self.clip_gradient

    def optimizer_of(self, model: nn.Module) -> torch.optim.Optimizer:
        """Return the optimiser of a network's parameters that are trained."""
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        kept = [parameter for parameter in trained if self.decay == "weights" and parameter.ndim <= 1]
        decaying = [parameter for parameter in trained if self.decay == "all" or parameter.ndim > 1]
        groups: list[dict[str, Any]] = [{"params": decaying}, {"params": kept, "weight_decay": 0.0}]
        if self.optimizer == "adam":
            betas = (self.momentum, SECOND_BETA)
            return torch.optim.Adam(groups, self.learning_rate, betas, weight_decay=self.weight_decay)
        return torch.optim.SGD(groups, self.learning_rate, self.momentum, weight_decay=self.weight_decay)

    def rate_at(self, step: int, steps_per_epoch: int) -> float:
        """Return the learning rate of a step, counted from 0, as a share of `learning_rate`."""
        warm = self.warmup_steps or self.warmup_epochs * steps_per_epoch
        rising = self.warmup_start + (1 - self.warmup_start) * step / warm if step < warm else 1.0
        return rising * self.factor ** sum(step // steps_per_epoch >= milestone for milestone in self.milestones)


def check_signs(recipe: object, positive: Sequence[str], not_negative: Sequence[str]) -> None:
    """Refuse values of a recipe that have the wrong sign.

    Args:
        recipe: Has the values as attributes.
        positive: Names of those above zero.
        not_negative: Names of those from zero on.

    Raises:
        OptionError: Naming the first.
    """
    for name in positive:
        if getattr(recipe, name) <= 0:
            raise OptionError(f"{name} must be positive; found {getattr(recipe, name)}.")
    for name in not_negative:
        if getattr(recipe, name) < 0:
            raise OptionError(f"{name} cannot be negative; found {getattr(recipe, name)}.")


def overridden(recipe: T, values: Mapping[str, str]) -> T:
    """Return a recipe of any kind with some values replaced, see `Plan.overridden`."""
    types = {item.name: type(getattr(recipe, item.name)) for item in fields(recipe)}
    changes: dict[str, Any] = {}
    for key, text in values.items():
        if key not in types:
            raise OptionError(f"a recipe has no value {key!r}; the nearest: {', '.join(nearest(key, types))}.")
        changes[key] = _parsed(key, text, types[key])
    return replace(recipe, **changes)


def _parsed(key: str, text: str, kind: type) -> Any:
    if kind is str:
        return text
    value: Any
    try:
        value = json.loads(text.lower())
    except json.JSONDecodeError:
        value = None
    if kind is float and type(value) is int:
        value = float(value)
    if kind is tuple and type(value) is list:
        value = tuple(value)
    if type(value) is not kind or (isinstance(value, float) and not math.isfinite(value)):
        written: Mapping[type, str] = {tuple: "a list such as [8, 11]", dict: "a JSON object"}
        expected = written.get(kind, f"a value of type {kind.__name__}")
        raise OptionError(f"{key} takes {expected}; found {text!r}.")
    return value
