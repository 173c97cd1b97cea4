"""Beginning the training of a detector with the backbone of a trained classifier."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from autola_analysis.attention.registry import ATTENTIONS, AttentionFactory
from autola_analysis.backbones import ModelSpec
from autola_analysis.backbones.resnet import ResNet
from autola_analysis.checkpoints import load_model
from autola_analysis.checkpoints.matching import load_strictly
from autola_analysis.core.errors import OptionError
from autola_analysis.detectors import DetectorSpec
from autola_analysis.training.settings import Training

HEAD = "fc."


def take_trunk(trunk: ResNet, backbone: ModelSpec, file: Path, attention: AttentionFactory) -> None:
    """Give a detector's backbone the weights of a classifier with the same backbone and attention.

    The classifier's head is left out, and so are stages that the detector does not build; everything else has to match.

    Args:
        trunk: Of the detector.
        backbone: What it is.
        file: Checkpoint of the classifier, in any dialect that `load_model` knows.
        attention: Class or function of the backbone's attention.

    Raises:
        OptionError: If the file holds another backbone or attention.
        CheckpointError: If the file cannot be loaded.
    """
    loaded = load_model(file, attention=None if backbone.attention in ATTENTIONS else attention, device="cpu")
    spec = loaded.spec
    if spec is None:
        raise OptionError(f"{file} holds no backbone of this package; give --init a classifier with one.")
    if _described(spec) != _described(backbone):
        raise OptionError(
            f"{file} holds {_described(spec)}, and {_described(backbone)} is to be trained; give --init a classifier "
            "with the same backbone and attention."
        )
    if spec.wiring != backbone.wiring:
        raise OptionError(f"{file} has HOGA modules of another wiring; give the same one with --genotype.")
    own = trunk.state_dict()
    stages = {name.partition(".")[0] for name in own}
    state = loaded.model.state_dict()
    left_out = {name for name in state if name.startswith(HEAD) or _other_stage(name, stages)}
    load_strictly(trunk, {name: tensor for name, tensor in state.items() if name not in left_out}, file)


def trunk_of(
    model: nn.Module, place: str, spec: DetectorSpec, training: Training, attention: AttentionFactory
) -> ResNet:
    """Return the backbone of a detector, with the weights of the classifier that its training begins with, if any.

    Args:
        model: The detector.
        place: Name of its backbone.
        spec: What it is.
        training: Says which classifier.
        attention: Class or function of the backbone's attention.

    Raises:
        AutolaError: As `take_trunk`.
    """
    trunk = model.get_submodule(place)
    assert isinstance(trunk, ResNet)
    if training.init is not None:
        take_trunk(trunk, spec.backbone, training.init, attention)
    return trunk


def _other_stage(name: str, stages: set[str]) -> bool:
    part = name.partition(".")[0]
    return part.startswith("layer") and part not in stages


def _described(spec: ModelSpec) -> str:
    options = "".join(f", {name}={value}" for name, value in sorted(spec.options.items()))
    return f"{spec.backbone}{options} with attention {spec.attention}"
