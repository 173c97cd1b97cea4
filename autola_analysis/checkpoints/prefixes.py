"""Wrapper prefixes of tensor names: which part of a state dict is the network, and what else is there."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from autola_analysis.core.errors import CheckpointError

PREFIXES = ("module.", "_orig_mod.", "model.", "backbone.body.", "backbone.", "encoder.", "net.")
"""Names that data parallelism, compilation, Lightning and detection code put in front of a network's own."""

AVERAGED = frozenset({"model_ema", "ema", "ema_model", "teacher"})
"""Name parts that mark a second, averaged copy of the network."""

DETECTOR_PARTS = frozenset(
    {
        "auxiliary_head",
        "bbox_head",
        "data_preprocessor",
        "decode_head",
        "fpn",
        "keypoint_head",
        "mask_head",
        "neck",
        "roi_head",
        "roi_heads",
        "rpn",
        "rpn_head",
    }
)
TRAINING_PARTS = frozenset({"criterion", "loss", "loss_fn", "predictor", "projection_head", "projector"})

_ANCHORS = ("conv1.weight", "layer1.0.conv1.weight")
_MAX_CHAIN = 6


@dataclass(frozen=True)
class Stripped:
    """The network's tensors under their own names.

    Attributes:
        state: Tensors by name, without prefixes.
        prefixes: What was taken off, outermost first.
        ignored: Names (as in the file) of tensors that belong to something beside the network, with what it is.
        outside: Names (as in the file) of tensors beside the network whose purpose is not known.
        evidence: How the network was found.
    """

    state: dict[str, Tensor]
    prefixes: tuple[str, ...] = ()
    ignored: Mapping[str, str] = field(default_factory=dict)
    outside: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()


def strip_resnet(state: Mapping[str, Tensor], path: Path) -> Stripped:
    """Find the ResNet in a state dict: the prefix behind which its first convolutions lie.

    Tensors beside it that are known to belong to a detector, a loss or an averaged copy are ignored and named; the
    others are listed as outside, for the strict match to refuse.

    Raises:
        CheckpointError: If there is no ResNet, it has an unknown prefix, or there are several.
    """
    anchor = _ANCHORS[1]
    roots = [name[: -len(anchor)] for name in state if name.endswith(anchor)]
    roots = [root for root in roots if not root or root.endswith(".")]
    main = [root for root in roots if not AVERAGED.intersection(root.split("."))]
    if not roots:
        raise _no_resnet(state, path)
    if len(main or roots) != 1:
        listed = ", ".join(repr(root) for root in (main or roots))
        raise CheckpointError(
            f"{path} holds several networks, under the prefixes {listed}; save the state dict of the one you mean."
        )
    root = (main or roots)[0]
    chain = _split(root)
    if chain is None:
        raise CheckpointError(
            f"{path} keeps its network under the unknown prefix {root!r} (known: {', '.join(PREFIXES)}); save the "
            "state dict of that part on its own."
        )
    return _take(state, root, chain)


def strip_to_match(state: Mapping[str, Tensor], expected: Collection[str]) -> Stripped:
    """Take off the prefixes that leave most of the `expected` names; none where the names fit as they are."""
    known = set(expected)

    def hits(root: str) -> int:
        return sum(name.startswith(root) and name[len(root) :] in known for name in state)

    best = max(_roots(state), key=lambda root: (hits(root), -len(root)))
    return _take(state, best, _split(best) or (), known)


def _roots(state: Mapping[str, Tensor]) -> list[str]:
    """Return all chains of known prefixes that some tensor's name begins with, shortest first."""
    roots = [""]
    for root in roots:
        if len(_split(root) or ()) >= _MAX_CHAIN:
            continue
        longer = {root + prefix for prefix in PREFIXES if any(name.startswith(root + prefix) for name in state)}
        roots.extend(sorted(longer.difference(roots)))
    return roots


def _split(root: str) -> tuple[str, ...] | None:
    """Return the known prefixes that make up `root`, or None where it holds something else."""
    chain: list[str] = []
    while root:
        prefix = next((prefix for prefix in PREFIXES if root.startswith(prefix)), None)
        if prefix is None:
            return None
        chain.append(prefix)
        root = root[len(prefix) :]
    return tuple(chain)


def _take(
    state: Mapping[str, Tensor], root: str, chain: tuple[str, ...], expected: Collection[str] = frozenset()
) -> Stripped:
    inside: dict[str, Tensor] = {}
    ignored: dict[str, str] = {}
    outside: list[str] = []
    evidence = [f"tensor names begin with {root!r}, which was stripped"] if root else []
    for name, tensor in state.items():
        owner = _owner(name) if not root or not name.startswith(root) else None
        own_name = name[len(root) :]
        if owner is not None and name not in expected:
            ignored[name] = owner
        elif name.startswith(root):
            inside[own_name] = tensor
        elif chain[-1:] == ("backbone.",) and (head := _head_name(name, root)) not in (None, *inside):
            inside[str(head)] = tensor
            evidence.append(f"{name} is the head's {head}, as mmpretrain names it")
        else:
            outside.append(name)
    return Stripped(inside, chain, ignored, tuple(outside), tuple(evidence))


def _owner(name: str) -> str | None:
    """Return what a tensor outside the network belongs to, None where that is not known."""
    for prefix in PREFIXES[::-1] * 2:
        # "backbone.fpn." is a part beside "backbone.body.", so every single prefix may be in front of it.
        name = name.removeprefix(prefix)
    part = name.split(".")[0]
    if part in DETECTOR_PARTS:
        return "a detector's or segmenter's own layers"
    if part in TRAINING_PARTS:
        return "a loss's or a projection's layers"
    return "an averaged copy of the network" if part in AVERAGED else None


def _head_name(name: str, root: str) -> str | None:
    outer = root.removesuffix("backbone.")
    head = name.removeprefix(f"{outer}head.")
    return head if head in ("fc.weight", "fc.bias") and name.startswith(f"{outer}head.") else None


def _no_resnet(state: Mapping[str, Tensor], path: Path) -> CheckpointError:
    return CheckpointError(
        f"{path} holds no ResNet that is known here: no tensor is named {_ANCHORS[1]!r} behind any prefix (found "
        f"{', '.join(list(state)[:4])}, {len(state)} in all); name the network with --arch timm:NAME, "
        "torchvision:NAME, package.module:function or FILE.py:function."
    )
