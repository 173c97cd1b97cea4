"""From tensor names and shapes to the description of a network, with the evidence for every part of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from autola_analysis.attention import Genotype
from autola_analysis.backbones import ModelSpec, create_model, list_backbones
from autola_analysis.checkpoints.attentions import Attention, Site, identify_attention
from autola_analysis.core.errors import CheckpointError

OTHER_ARCHITECTURE = "name the network with --arch timm:NAME, torchvision:NAME or FILE.py:function"
EXPANSION = 4
CIFAR_KERNEL = 3
"""Side of the first kernel of the backbones whose shortcuts can be without parameters"""
Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class Identification:
    """What a network is and why we think so.

    Attributes:
        spec: The description from which the network can be built.
        evidence: One line per conclusion.
        warnings: What the tensors cannot show and was assumed.
    """

    spec: ModelSpec
    evidence: tuple[str, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Skeleton:
    """What the convolutions of a ResNet show, without attention and head.

    Attributes:
        kernel: Side of the first convolution's kernel.
        depths: Blocks of each stage.
        width: Output channels of the first convolution.
        inner: Channels of the first 3x3 convolution in bottleneck blocks; None in basic blocks.
    """

    kernel: int
    depths: tuple[int, ...]
    width: int
    inner: int | None

    def text(self) -> str:
        """Return the skeleton in words."""
        block = "two 3x3 convolutions" if self.inner is None else "1x1, 3x3, 1x1 convolutions"
        return f"{self.kernel}x{self.kernel} stem, stages of {list(self.depths)} blocks with {block}"


def identify(
    tensors: Tensors,
    path: Path,
    *,
    genotype: Genotype | None = None,
    backbone: str | None = None,
    attention: Attention | None = None,
    trunk: bool = False,
) -> Identification:
    """Identify the network that tensors under our names belong to.

    Args:
        tensors: Names are ours; only names and shapes are looked at.
        path: The file, for messages.
        genotype: The wiring of HOGA modules, where the user named it.
        backbone: A registered backbone that the user named; the attention is still found from the tensors.
        attention: The module that the user named; None finds it from the tensors.
        trunk: Whether the first stages of a backbone are enough.

    Raises:
        CheckpointError: If the tensors fit no backbone or no attention module, or several.
    """
    skeleton = skeleton_of(tensors, path)
    name, options = _backbone(skeleton, path, trunk)
    if backbone not in (None, name):
        raise CheckpointError(
            f"--arch names {backbone}, but {path} holds a {name} ({skeleton.text()}); leave --arch out or give the "
            "right file."
        )
    evidence = [f"backbone {name}: {skeleton.text()}", f"width {skeleton.width}: output channels of conv1"]
    if skeleton.inner is not None:
        evidence.append(f"inner width {skeleton.inner}: channels of layer1.0.conv2")
    if "stages" in options:
        evidence.append(f"{options['stages']} of its stages are stored")
    if skeleton.kernel == CIFAR_KERNEL:
        projected = any(".downsample." in name for name in tensors)
        options |= {} if projected else {"shortcut": "A"}
        stored = "B: projections are stored" if projected else "A: no projections are stored"
        evidence.append(f"shortcut {stored}")
    attention = attention or identify_attention(tensors, _sites(skeleton), path, genotype=genotype)
    if attention.position is not None:
        options["position"] = attention.position
    classes, head_evidence = _classes(tensors, path)
    spec = ModelSpec(name, attention.name, classes, options, attention.options)
    return Identification(spec, (*evidence, *attention.evidence, head_evidence), attention.warnings)


def skeleton_of(tensors: Tensors, path: Path) -> Skeleton:
    """Measure a ResNet's convolutions.

    Raises:
        CheckpointError: If the first convolution or a block is missing, or convolutions are grouped.
    """
    blocks: dict[int, set[int]] = {}
    for name in tensors:
        if match := re.match(r"layer(\d+)\.(\d+)\.conv1\.weight$", name):
            blocks.setdefault(int(match.group(1)), set()).add(int(match.group(2)))
    depths = tuple(len(blocks[stage]) for stage in sorted(blocks))
    complete = sorted(blocks) == list(range(1, len(blocks) + 1)) and all(
        indices == set(range(len(indices))) for indices in blocks.values()
    )
    stem, first = tensors.get("conv1.weight"), tensors.get("layer1.0.conv2.weight")
    if not complete or stem is None or stem.ndim != 4 or first is None or first.ndim != 4:
        found = f"blocks per stage {list(depths)}, {'a' if stem is not None else 'no'} conv1.weight"
        raise CheckpointError(
            f"{path} holds an incomplete ResNet or one with another stem ({found}); use a complete file, or "
            f"{OTHER_ARCHITECTURE}."
        )
    inner = None
    if "layer1.0.conv3.weight" in tensors:
        inner = int(first.shape[0])
        if inner != first.shape[1]:
            raise CheckpointError(
                f"{path} holds a ResNeXt: layer1.0.conv2 reads {first.shape[1]} of {inner} channels per group, and "
                f"only ungrouped convolutions are known; {OTHER_ARCHITECTURE}."
            )
    return Skeleton(int(stem.shape[-1]), depths, int(stem.shape[0]), inner)


@cache
def _known_skeleton(backbone: str) -> Skeleton:
    with torch.device("meta"):
        model = create_model(backbone, "none", 0)
    return skeleton_of(model.state_dict(), Path(backbone))


def _backbone(found: Skeleton, path: Path, trunk: bool) -> tuple[str, dict[str, Any]]:
    """Return the registered backbone with this skeleton, and the width where it is not the one it has by default.

    The first stages of a backbone can do as a trunk; their number is an option then.
    """
    known = {name: _known_skeleton(name) for name in list_backbones()}
    stages = len(found.depths)
    whole = any((each.kernel, each.depths) == (found.kernel, found.depths) for each in known.values())
    if trunk and not whole:
        cut = {name: replace(each, depths=each.depths[:stages]) for name, each in known.items()}
        name, options = _among(cut, found, path)
        return name, {**options, "stages": stages}
    return _among(known, found, path)


def _among(known: Mapping[str, Skeleton], found: Skeleton, path: Path) -> tuple[str, dict[str, Any]]:
    alike = {
        name: skeleton
        for name, skeleton in known.items()
        if (skeleton.kernel, skeleton.depths) == (found.kernel, found.depths)
        and (skeleton.inner is None) == (found.inner is None)
    }
    exact = [name for name, skeleton in alike.items() if skeleton == found]
    if exact:
        return exact[0], {}
    if not alike:
        raise CheckpointError(
            f"{path} holds a ResNet that is not known here ({found.text()}; known: {', '.join(known)}); "
            f"{OTHER_ARCHITECTURE}."
        )
    name = next(iter(alike))
    if found.inner is None:
        return name, {"width": found.width}
    return name, {"inner_width": found.inner}


def _sites(skeleton: Skeleton) -> list[Site]:
    """Return every block with its channels, which double from stage to stage."""
    sites = []
    for stage, depth in enumerate(skeleton.depths):
        inner = None if skeleton.inner is None else skeleton.inner * 2**stage
        outer = skeleton.width * 2**stage * (1 if inner is None else EXPANSION)
        sites += [Site(f"layer{stage + 1}.{block}", outer, inner) for block in range(depth)]
    return sites


def _classes(tensors: Tensors, path: Path) -> tuple[int, str]:
    head = tensors.get("fc.weight")
    if head is None:
        return 0, "no head: no fc.weight is stored"
    if head.ndim != 2 or head.shape[0] == 0:
        raise CheckpointError(
            f"{path} holds a head fc.weight of the shape {tuple(head.shape)} where (classes, features) is expected; "
            f"{OTHER_ARCHITECTURE}."
        )
    return int(head.shape[0]), f"{head.shape[0]} classes: rows of fc.weight"
