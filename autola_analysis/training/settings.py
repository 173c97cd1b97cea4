"""What is trained, and how the machine is used for it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import nn

from autola_analysis.attention.genotype import as_genotype
from autola_analysis.attention.registry import ATTENTIONS, AttentionFactory, attention_factory
from autola_analysis.backbones import ModelSpec
from autola_analysis.backbones.building import build_aside, build_outline
from autola_analysis.backbones.registry import BACKBONES, create_model, matched_width
from autola_analysis.checkpoints.external import load_attention
from autola_analysis.core.device import resolve_device
from autola_analysis.core.errors import OptionError
from autola_analysis.core.files import expanded, sha256_of
from autola_analysis.data.open_objects import NOTHING_SAID, CocoOptions
from autola_analysis.detectors import DetectorSpec, create_detector
from autola_analysis.training.attention import GENOTYPE, check_options
from autola_analysis.training.keeping import check_percent
from autola_analysis.training.plan import Plan
from autola_analysis.training.recipes import Recipe

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")


@dataclass(frozen=True)
class Training:
    """One training to run.

    Attributes:
        recipe_name: For the record.
        recipe: What to do.
        attention: Registered name of the attention module, ``timm:NAME``, ``FILE.py:Class`` or
            ``package.module:Class``.
        backbone: Registered name; None takes the recipe's.
        seed: Of the weights, the order of the images and the augmentation.
        attention_options: Options of the attention module; a genotype becomes (operation, source) pairs.
        data: Where the images are, if not the recipe's source as it stands (``cifar10:ROOT``).
        match_parameters: Number of parameters to match by the width of the network, or the registered name of an
            attention: that of the backbone with this attention, at the recipe's width. None keeps the recipe's width.
        keep_at_accuracy: Accuracy on the test split in percent; the checkpoint of the first epoch that reaches it is
            kept beside the last one's.
        init: Checkpoint of a classifier, with whose backbone the training of a detector begins; None begins at random.
        coco: Where the images of data in COCO's format lie, and what is done with their bad boxes. The latter is
            recorded; the folder is not, as the path in `data` is not, but an unfinished training goes on with the same
            images only.

    Raises:
        OptionError: If a genotype cannot be read or is not possible, an accuracy is no percentage, or an option is not
            for the recipe's kind of network.
    """

    recipe_name: str
    recipe: Plan
    attention: str = "none"
    backbone: str | None = None
    seed: int = 0
    attention_options: dict[str, Any] = field(default_factory=dict)
    data: str | None = None
    match_parameters: int | str | None = None
    keep_at_accuracy: float | None = None
    init: Path | None = None
    coco: CocoOptions = NOTHING_SAID

    def __post_init__(self) -> None:
        if not isinstance(self.recipe, Recipe):
            for option, value in (
                ("--match-parameters", self.match_parameters),
                ("--keep-at-accuracy", self.keep_at_accuracy),
            ):
                if value is not None:
                    raise OptionError(
                        f"{option} is for classifiers, and {self.recipe_name} trains another network; leave it out."
                    )
        elif self.init is not None:
            raise OptionError(f"--init is for detectors, and {self.recipe_name} trains a classifier; leave it out.")
        if self.init is not None and not self.init.is_file():
            raise OptionError(f"there is no checkpoint file {self.init} to begin with; check the path of --init.")
        if self.keep_at_accuracy is not None:
            check_percent(self.keep_at_accuracy)
        if GENOTYPE in self.attention_options:
            pairs = as_genotype(self.attention_options[GENOTYPE]).to_pairs()
            object.__setattr__(self, "attention_options", {**self.attention_options, GENOTYPE: pairs})

    def checked_attention(self) -> AttentionFactory:
        """Return the attention module's class or function, once a network with it could be built.

        Raises:
            UnknownNameError: If the attention or the backbone is not known.
            OptionError: If an option is not possible, or building the network fails.
        """
        if isinstance(self.match_parameters, str):
            attention_factory(self.match_parameters)
        factory = load_attention(self.attention)
        check_options(self.attention, factory, self.attention_options)
        try:
            (build_outline if self.attention in ATTENTIONS else build_aside)(lambda: build_with(self.spec(2), factory))
        except (ArithmeticError, RuntimeError, ValueError) as error:
            raise OptionError(
                f"a network with the attention {self.attention} and the options {self.attention_options} cannot be "
                f"built ({error}); give other options."
            ) from error
        return factory

    def matched_spec(self, num_classes: int, attention: AttentionFactory) -> ModelSpec | DetectorSpec:
        """Return the description of the network at the width that matches a number of parameters, if one is to be.

        Args:
            num_classes: Classes, or joints.
            attention: The module's class or function.

        Raises:
            OptionError: If the narrowest network has more parameters.
        """
        spec, wanted = self.spec(num_classes), self.match_parameters
        if wanted is None or isinstance(spec, DetectorSpec):
            return spec
        if isinstance(wanted, str):
            wanted = replace(spec, attention=wanted, attention_options={}).parameters
        module = self.attention if self.attention in ATTENTIONS else attention
        options = {"attention_options": spec.attention_options, **spec.options}
        width = matched_width(spec.backbone, wanted, module, num_classes, **options)
        return replace(spec, options={**spec.options, BACKBONES.get(spec.backbone).width: width})

    def spec(self, num_classes: int) -> ModelSpec | DetectorSpec:
        """Return the description of the network at the recipe's width."""
        options = {"width": self.recipe.width} if self.recipe.width else {}
        name = self.backbone or self.recipe.backbone
        backbone = ModelSpec(name, self.attention, 0, options, self.attention_options)
        return self.recipe.network(backbone, num_classes)

    def record(self) -> dict[str, Any]:
        """Return everything that decides the outcome, JSON-ready; an own module is recorded by its file's content."""
        file = self.attention.rpartition(":")[0]
        controls = {
            "match_parameters": self.match_parameters,
            "keep_at_accuracy": self.keep_at_accuracy,
            "bad_boxes": self.coco.bad_boxes,
        }
        own: dict[str, Any] = {"attention_sha256": sha256_of(expanded(file))} if file.endswith(".py") else {}
        if not isinstance(self.recipe, Recipe):  # None: the backbone begins with random weights
            own["init"] = self.init and {"file": self.init.name, "sha256": sha256_of(self.init)}
        return {
            "name": self.recipe_name,
            **self.recipe.to_dict(),
            "backbone": self.backbone or self.recipe.backbone,
            "attention": self.attention,
            "attention_options": self.attention_options,
            "seed": self.seed,
            **own,
            **{key: value for key, value in controls.items() if value is not None},
        }


@dataclass(frozen=True)
class Machine:
    """How a training uses the machine; nothing here is part of the recipe.

    Attributes:
        device: "auto", "cpu" or "cuda".
        precision: As pytorch-lightning names it ("32-true", "bf16-mixed").
        workers: Processes that decode images.
        quiet: Whether to leave out the progress bar.
        half: Whether the weights are stored in half precision.

    Raises:
        OptionError: If there is no such device or precision.
    """

    device: str = "auto"
    precision: str = "32-true"
    workers: int = 0
    quiet: bool = False
    half: bool = False

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise OptionError(f"precision is one of {', '.join(PRECISIONS)}; found {self.precision!r}.")
        resolve_device(self.device)


def build_with(spec: ModelSpec | DetectorSpec, attention: AttentionFactory) -> nn.Module:
    """Build the network that a spec describes, with the module that its attention stands for."""
    if isinstance(spec, DetectorSpec):
        trunk = spec.backbone
        of_trunk = {"attention_options": trunk.attention_options, "backbone_options": trunk.options}
        return create_detector(spec.kind, trunk.backbone, attention, spec.classes, **of_trunk, **spec.options)
    return create_model(
        spec.backbone, attention, spec.num_classes, attention_options=spec.attention_options, **spec.options
    )
