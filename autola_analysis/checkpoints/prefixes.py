"""Wrapper prefixes of tensor names: which part of a state dict is the network, and what else is there."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from autola_analysis.checkpoints.pruning import ORIGINAL, without_masks
from autola_analysis.core.errors import CheckpointError
from autola_analysis.core.wrappers import WRAPPERS, without_wrappers

AVERAGED = frozenset({"model_ema", "ema", "ema_model"})
"""Name parts that mark a second, averaged copy of the network."""

_WRAPPED = rf"(?:(?:{'|'.join(WRAPPERS)})\.)*"
_ANCHOR = "layer1.0.conv1.weight"
_FIRST_BLOCK = re.compile(rf"(?P<root>(?:.*\.)?)layer1\.{_WRAPPED}0\.{_WRAPPED}conv1\.{_WRAPPED}weight")


@dataclass(frozen=True)
class Stripped:
    """The network's tensors under their own names.

    Attributes:
        state: Tensors by name, without prefixes.
        prefixes: What was taken off, outermost first.
        ignored: Names (as in the file) of tensors beside the network.
        evidence: How the network was found.
        warnings: What lies beside the network and may matter.
    """

    state: dict[str, Tensor]
    prefixes: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def strip_resnet(state: Mapping[str, Tensor], path: Path) -> Stripped:
    """Find the ResNet in a state dict: the prefix behind which its first block lies, whatever that prefix is.

    Tensors outside the prefix are ignored and named. Without a prefix nothing but counters is known to lie outside, so
    that the strict match decides.

    Raises:
        CheckpointError: If there is no ResNet, or there are several.
    """
    state, pruned = without_masks(state)
    roots = [match["root"] for name in state if (match := _FIRST_BLOCK.fullmatch(name))]
    if not roots:
        raise _no_resnet(state, path)
    return _take(state, _only(roots, path), (), pruned, path)


def strip_to_match(state: Mapping[str, Tensor], expected: Collection[str], path: Path) -> Stripped:
    """Take off the prefix that leaves most of the `expected` names; none where the names fit as they are.

    Raises:
        CheckpointError: If several prefixes leave as many.
    """
    pruned: tuple[str, ...] = ()
    if not any(name.endswith(ORIGINAL) for name in expected):
        state, pruned = without_masks(state)
    plain = {without_wrappers(name) for name in expected}
    pairs = [(root, name[len(root) :]) for name in state for root in _roots(name)]
    hits = Counter(root for root, name in pairs if without_wrappers(name) in plain)
    exact = Counter(root for root, name in pairs if name in expected)
    most = max(hits.values(), default=0)
    best = sorted((root for root in hits if hits[root] == most), key=lambda root: (exact[root], -len(root)))
    # A wrapper's name can be taken for a part of the prefix or for a part of the names behind it.
    best = list({without_wrappers(root): root for root in best}.values())
    root = _only(best, path) if 2 * most > len(plain) else (best or [""])[-1]
    return _take(state, root, expected, pruned, path)


def _roots(name: str) -> list[str]:
    """Return everything that a tensor's name begins with and that ends in a dot, and the empty text."""
    return ["", *(name[: dot.end()] for dot in re.finditer(r"\.", name))]


def _only(roots: Sequence[str], path: Path) -> str:
    """Return the root of the one network, beside which there may be averaged copies of it."""
    main = [root for root in roots if not AVERAGED.intersection(root.split("."))] or roots
    if len(main) > 1:
        example = next(root for root in main if root).rstrip(".")
        raise CheckpointError(
            f"{path} holds several networks, under the prefixes {', '.join(map(repr, main))}; choose one with "
            f"--weights KEY, e.g. --weights {example}."
        )
    return main[0]


def _take(
    state: Mapping[str, Tensor], root: str, expected: Collection[str], evidence: Sequence[str], path: Path
) -> Stripped:
    """Return the tensors behind a root by the network's own names: the expected ones, where these are known."""
    own_names = {without_wrappers(name): name for name in expected}
    inside: dict[str, Tensor] = {}
    ignored: list[str] = []
    evidence = [f"tensor names begin with {root!r}, which was stripped"] * bool(root) + list(evidence)
    wrapped = 0
    for name, tensor in state.items():
        own = name[len(root) :]
        if not name.startswith(root) or (own not in expected and _is_count(name, tensor)):
            head = _head_name(name, root)
            if head is None or root + head in state:
                ignored.append(name)
                continue
            own = head
            evidence.append(f"{name} is the head's {head}, as mmpretrain names it")
        plain = without_wrappers(own)
        wrapped += plain != own
        own = own_names.get(plain, plain)
        if own in inside:
            raise CheckpointError(
                f"{path} holds two tensors for {own}, with and without the names of wrappers ({name} is the second); "
                "save the state dict of the network that you mean."
            )
        inside[own] = tensor
    if wrapped:
        evidence.append(f"{wrapped} names hold those of wrappers ({', '.join(WRAPPERS)}), which were left out")
    prefixes = tuple(f"{part}." for part in root.split(".")[:-1])
    return Stripped(inside, prefixes, tuple(ignored), tuple(evidence), _beside(ignored, state))


def _is_count(name: str, tensor: Tensor) -> bool:
    """Return whether a tensor counts steps, as averaging and training do; batch norms count for themselves."""
    whole = not tensor.is_floating_point() and not tensor.is_complex()
    return whole and tensor.ndim == 0 and not name.endswith("num_batches_tracked")


def _beside(ignored: Sequence[str], state: Mapping[str, Tensor]) -> tuple[str, ...]:
    named = [name for name in ignored if not _is_count(name, state[name])]
    if not named:
        return ()
    parts = list(dict.fromkeys(name.split(".")[0] for name in named))
    more = f" and {len(parts) - 5} more" if len(parts) > 5 else ""
    return (
        f"ignored {len(named)} tensors beside the network ({', '.join(parts[:5])}{more}); where these are another copy "
        "of it or a part of it, name that with --weights or --arch",
    )


def _head_name(name: str, root: str) -> str | None:
    """Return the network's own name of a head that lies beside a ``backbone``; None for other tensors."""
    outer = root.removesuffix("backbone.")
    head = name.removeprefix(f"{outer}head.")
    return head if outer != root and head in ("fc.weight", "fc.bias") and name.startswith(f"{outer}head.") else None


def _no_resnet(state: Mapping[str, Tensor], path: Path) -> CheckpointError:
    return CheckpointError(
        f"{path} holds no ResNet that is known here: no tensor is named {_ANCHOR!r} behind any prefix (found "
        f"{', '.join(list(state)[:4])}, {len(state)} in all); name the network with --arch timm:NAME, "
        "torchvision:NAME, package.module:function or FILE.py:function."
    )
