"""Beginning the training of a detector with the backbone of a trained classifier."""

from __future__ import annotations

from pathlib import Path

from autola_analysis.attention.registry import ATTENTIONS, AttentionFactory
from autola_analysis.backbones import ModelSpec
from autola_analysis.backbones.resnet import ResNet
from autola_analysis.checkpoints import load_model
from autola_analysis.checkpoints.matching import load_strictly
from autola_analysis.core.errors import OptionError

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


def _other_stage(name: str, stages: set[str]) -> bool:
    part = name.partition(".")[0]
    return part.startswith("layer") and part not in stages


def _described(spec: ModelSpec) -> str:
    options = "".join(f", {name}={value}" for name, value in sorted(spec.options.items()))
    return f"{spec.backbone}{options} with attention {spec.attention}"
