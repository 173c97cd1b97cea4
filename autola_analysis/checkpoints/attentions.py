"""Which attention module a network has, from the tensors of its blocks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from autola_analysis.attention import RELEASED, Genotype, create_attention, list_attentions
from autola_analysis.attention.operations import OPERATIONS
from autola_analysis.attention.squeeze_excitation import hidden_units
from autola_analysis.backbones.blocks import Position
from autola_analysis.backbones.imagenet import bottleneck_position
from autola_analysis.core.errors import CheckpointError

MAX_REDUCTION = 128
PLACES: tuple[Position, ...] = ("outer", "inner")
TOLD_BY_PARTS = frozenset({"none", "se", "cbam", "hoga", "hoga-random", "hoga-search"})
"""Modules whose parts are looked at one by one; of any other, the names and shapes of all tensors are compared."""
Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class Site:
    """A block's place for an attention module.

    Attributes:
        block: Name of the block ("layer1.0").
        outer: Channels of the block's output.
        inner: Channels of a bottleneck's 3x3 convolution; None in a basic block.
    """

    block: str
    outer: int
    inner: int | None

    def channels(self, position: Position) -> int | None:
        """Return the channels at a place; None where the block has no such place."""
        return self.outer if position == "outer" else self.inner


@dataclass(frozen=True)
class Attention:
    """The module that was found, its options where they differ from the defaults, and why."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    position: Position | None = None
    evidence: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def identify_attention(tensors: Tensors, sites: list[Site], path: Path, *, genotype: Genotype | None) -> Attention:
    """Identify the attention module that all blocks share.

    Raises:
        CheckpointError: If blocks differ, the module is not known, or its options or place are ambiguous.
    """
    found = {site.block: _under(tensors, f"{site.block}.attention.") for site in sites}
    bare = [block for block, own in found.items() if not own]
    if len(bare) == len(sites):
        if genotype is not None:
            raise CheckpointError(f"a genotype was given, but {path} holds no attention modules; leave --genotype out.")
        return Attention(
            "none",
            evidence=(
                "attention none: no block has attention tensors (one without any, as simam, is named by the user)",
            ),
        )
    if bare:
        raise CheckpointError(
            f"{path} has attention tensors in some blocks and none in {', '.join(bare[:3])}; known networks have the "
            "same module in every block, so name the network with --arch FILE.py:function."
        )
    return _identify_module(found, sites, path, genotype)


def _identify_module(
    found: Mapping[str, Tensors], sites: list[Site], path: Path, genotype: Genotype | None
) -> Attention:
    parts = {name.split(".")[0] for own in found.values() for name in own}
    if "waves" in parts:
        raise CheckpointError(
            f"{path} holds the network of a search for HOGA's wiring, whose mixture of operations is not in its "
            "tensors; give the supernet.safetensors that the search has written."
        )
    if parts & {"ops", "fuse", "se_a", "se_b"}:
        return _hoga(found, sites, path, genotype)
    if genotype is not None:
        raise CheckpointError(f"a genotype was given, but {path} holds no HOGA modules; leave --genotype out.")
    first = found[sites[0].block]
    if parts == {"gate"} and "gate.fc1.weight" in first:
        return _squeeze_excitation(found, sites, path)
    if parts == {"channel_gate", "spatial_gate"}:
        return _cbam(found, sites, path)
    return _registered(found, sites, path, parts)


def _squeeze_excitation(found: Mapping[str, Tensors], sites: list[Site], path: Path) -> Attention:
    units = {site.block: _matrix(found[site.block], "gate.fc1.weight", site, path).shape for site in sites}
    position, note = _position(sites, {block: shape[1] for block, shape in units.items()}, path)
    pairs = {(shape[1], shape[0]) for shape in units.values()}
    options: dict[str, Any] = {}
    if "gate.fc1.bias" in found[sites[0].block]:
        options["bias"] = True
    for extra in ({}, {"minimum": 0}, {"divisor": 8}):
        reduction = _reduction(pairs, 16, _se_rule(**extra))
        if reduction is not None:
            break
    else:
        raise _no_reduction(path, "SE", pairs)
    options |= extra | ({"reduction": reduction} if reduction != 16 else {})
    rounding = f", rounded to multiples of {extra['divisor']}" if "divisor" in extra else ""
    return Attention(
        "se",
        options,
        position,
        (
            f"attention se: every block has gate.fc1 and gate.fc2 {'with' if 'bias' in options else 'without'} biases",
            f"reduction {reduction}{rounding}: {_hidden_text(pairs)}",
            *note,
        ),
    )


def _cbam(found: Mapping[str, Tensors], sites: list[Site], path: Path) -> Attention:
    units = {site.block: _matrix(found[site.block], "channel_gate.mlp.fc1.weight", site, path).shape for site in sites}
    position, note = _position(sites, {block: shape[1] for block, shape in units.items()}, path)
    pairs = {(shape[1], shape[0]) for shape in units.values()}
    reduction = _reduction(pairs, 16, _se_rule())
    if reduction is None:
        raise _no_reduction(path, "CBAM", pairs)
    return Attention(
        "cbam",
        {"reduction": reduction} if reduction != 16 else {},
        position,
        (
            "attention cbam: every block has a channel gate and a spatial gate",
            f"reduction {reduction}: {_hidden_text(pairs)}",
            *note,
        ),
    )


def _hoga(found: Mapping[str, Tensors], sites: list[Site], path: Path, genotype: Genotype | None) -> Attention:
    channels = {site.block: _matrix(found[site.block], "se_b.gate.fc1.weight", site, path).shape[1] for site in sites}
    position, note = _position(sites, channels, path, inner_default=True)
    wiring = genotype or RELEASED
    for site in sites:
        _check_operations(found[site.block], channels[site.block] // 4, wiring, site, path, given=genotype is not None)
    whole = {(channels[s.block], found[s.block]["se_b.gate.fc1.weight"].shape[0]) for s in sites}
    group_shapes = [_matrix(found[s.block], "se_a.gate.fc1.weight", s, path).shape for s in sites]
    group = {(shape[1], shape[0]) for shape in group_shapes}
    authors_rounding = any(hidden == 0 for _, hidden in group)
    reductions = [
        r
        for r in _reductions(whole, _se_rule())
        if r in _reductions(group, _se_rule(minimum=0 if authors_rounding else 1))
    ]
    if not reductions:
        raise _no_reduction(path, "HOGA", whole | group)
    reduction = _preferred(reductions, 8)
    options: dict[str, Any] = {} if wiring == RELEASED else {"genotype": wiring.to_pairs()}
    evidence = ["attention hoga: every block has ops, se_a, se_b and fuse"]
    options |= {"reduction": reduction} if reduction != 8 else {}
    evidence.append(f"reduction {reduction}: {_hidden_text(whole | group)}")
    if authors_rounding:
        options["authors_rounding"] = True
        evidence.append("authors' rounding: an SE_a gate without hidden units is stored (constant 0.5)")
    warnings: tuple[str, ...] = ()
    if genotype is None:
        warnings = (
            "the file does not hold the wiring of its HOGA modules; their operations agree with the released "
            "genotype, which is assumed (give --genotype FILE.json if the network was trained with another)",
        )
    return Attention("hoga", options, position, (*evidence, *note), warnings)


def _check_operations(own: Tensors, channels: int, wiring: Genotype, site: Site, path: Path, *, given: bool) -> None:
    """Compare the tensors of every operation with those that the genotype's operation has."""
    stored = _operation_shapes(own)
    unknown = sorted(set(stored) - set(range(len(wiring.edges))))
    for index, (operation, _) in enumerate(wiring.edges):
        if stored.get(index, {}) == _expected_shapes(operation, channels) and not unknown:
            continue
        alike = [name for name in OPERATIONS if stored.get(index, {}) == _expected_shapes(name, channels)]
        if "SE" in alike and "SE_A_M" not in alike:
            alike.append("SE_A_M")  # the authors' files have the same names for both
        looks = f"looks like {' or '.join(alike)}" if alike else "is like no known operation"
        which = "the given genotype" if given else "the released genotype"
        raise CheckpointError(
            f"{path}: operation {index} of {site.block}.attention {looks}, where {which} has {operation}; give the "
            "network's wiring with --genotype FILE.json."
        )


def _operation_shapes(own: Tensors) -> dict[int, dict[str, tuple[int, ...]]]:
    shapes: dict[int, dict[str, tuple[int, ...]]] = {}
    for name, tensor in own.items():
        match = re.match(r"ops\.(\d+)\.(.+)$", name)
        if match and not name.endswith("num_batches_tracked"):
            shapes.setdefault(int(match.group(1)), {})[match.group(2)] = tuple(tensor.shape)
    return shapes


@cache
def _expected_shapes(operation: str, channels: int) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        module = OPERATIONS.get(operation)(channels)
    state = module.state_dict()
    return {name: tuple(t.shape) for name, t in state.items() if not name.endswith("num_batches_tracked")}


def _registered(found: Mapping[str, Tensors], sites: list[Site], path: Path, parts: Iterable[str]) -> Attention:
    """Try every other registered module: the one whose tensors have these names and shapes in every block."""
    stored = {block: _shapes(own) for block, own in found.items()}
    fits: list[tuple[str, Position]] = []
    for name in (each for each in list_attentions() if each not in TOLD_BY_PARTS):
        for position in PLACES:
            if all(stored[site.block] == _module_shapes(name, site.channels(position)) for site in sites):
                fits.append((name, position))
    names = {name for name, _ in fits}
    if len(names) == 1:
        name = names.pop()
        evidence = f"attention {name}: the tensors of every block's attention have its names and shapes"
        if len(fits) == 1:
            position = fits[0][1]
            return Attention(
                name, position=None if position == bottleneck_position(name) else position, evidence=(evidence,)
            )
        return Attention(name, evidence=(evidence,), warnings=(_assumed_place(name),))
    if (kernels := _eca_kernels(stored, sites)) is not None:
        return kernels
    if fits:
        listed = ", ".join(f"{name} ({position})" for name, position in fits)
        raise CheckpointError(
            f"{path}: the attention tensors fit several modules or places: {listed}; decide with --arch SPEC.json."
        )
    raise CheckpointError(
        f"{path} has an attention module that is not known here (its parts: {', '.join(sorted(parts)[:5])}); known are "
        f"{', '.join(list_attentions())}; give its class with --attention FILE.py:Class."
    )


def _module_shapes(name: str, channels: int | None) -> dict[str, tuple[int, ...]] | None:
    """Return the shapes of a registered module; None where it cannot be built or the place does not exist."""
    if channels is None:
        return None
    try:
        with torch.random.fork_rng(devices=[]):
            return _shapes(create_attention(name, channels).state_dict())
    except Exception:  # noqa: BLE001 - a module of the user's that cannot be built here is simply not a candidate
        return None


def _shapes(tensors: Tensors) -> dict[str, tuple[int, ...]]:
    return {name: tuple(t.shape) for name, t in tensors.items() if not name.endswith("num_batches_tracked")}


def _eca_kernels(stored: Mapping[str, Mapping[str, tuple[int, ...]]], sites: list[Site]) -> Attention | None:
    """Return ECA whose kernels do not follow from the channels, as in the authors' networks; None where it is not."""
    sizes: dict[int, int] = {}
    for site in sites:
        shapes = stored[site.block]
        shape = shapes.get("conv.weight", ())
        if len(shapes) > 1 or len(shape) != 3 or shape[:2] != (1, 1) or shape[2] % 2 == 0:
            return None
        if sizes.setdefault(site.outer, shape[2]) != shape[2]:
            return None
    listed = ", ".join(f"{size} of {channels} channels" for channels, size in sizes.items())
    one = len(set(sizes.values())) == 1
    return Attention(
        "eca",
        {"kernel_size": sizes[sites[0].outer] if one else [list(pair) for pair in sizes.items()]},
        evidence=(f"attention eca: every block has the kernel of one convolution over channels, {listed}",),
        warnings=() if sites[0].inner is None else (_assumed_place("eca"),),
    )


def _assumed_place(name: str) -> str:
    return (
        f"the attention's tensors do not show its place in a block; {bottleneck_position(name)!r}, the usual one of "
        f"{name}, is assumed (if the network was trained with the other, say so with --arch SPEC.json, whose options "
        "hold the position)"
    )


def _position(
    sites: list[Site], channels: Mapping[str, int], path: Path, *, inner_default: bool = False
) -> tuple[Position | None, tuple[str, ...]]:
    """Return where in a bottleneck the modules are, None for the module's usual place, with the evidence."""
    outer = all(channels[site.block] == site.outer for site in sites)
    inner = all(channels[site.block] == site.inner for site in sites)
    if sites[0].inner is None and outer:
        return None, ()
    if outer and inner:
        raise CheckpointError(
            f"{path}: blocks have as many channels inside as outside ({sites[0].outer} in {sites[0].block}), so their "
            "attention may be 'inner' or 'outer'; decide with --arch SPEC.json, whose options hold the position."
        )
    if not outer and not inner:
        block = next(site for site in sites if channels[site.block] not in (site.outer, site.inner))
        raise CheckpointError(
            f"{path}: the attention of {block.block} works on {channels[block.block]} channels, the block has "
            f"{block.outer}; name the network with --arch FILE.py:function."
        )
    position: Position = "inner" if inner else "outer"
    usual = (position == "inner") == inner_default
    return None if usual else position, (f"position {position}: attention on {channels[sites[0].block]} channels",)


def _se_rule(minimum: int = 1, divisor: int | None = None) -> Callable[[int, int], int]:
    return lambda channels, reduction: max(minimum, hidden_units(channels, reduction, divisor))


def _reductions(pairs: Iterable[tuple[int, int]], rule: Callable[[int, int], int]) -> list[int]:
    pairs = list(pairs)
    return [r for r in range(1, MAX_REDUCTION + 1) if all(rule(c, r) == hidden for c, hidden in pairs)]


def _reduction(pairs: Iterable[tuple[int, int]], default: int, rule: Callable[[int, int], int]) -> int | None:
    reductions = _reductions(pairs, rule)
    return _preferred(reductions, default) if reductions else None


def _preferred(reductions: list[int], default: int) -> int:
    """Choose among reductions that round to the same network: the default, else a power of two, else the first."""
    powers = [r for r in reductions if r & (r - 1) == 0]
    return default if default in reductions else (powers or reductions)[0]


def _hidden_text(pairs: Iterable[tuple[int, int]]) -> str:
    return "hidden units " + ", ".join(f"{hidden} of {channels}" for channels, hidden in sorted(pairs))


def _no_reduction(path: Path, module: str, pairs: Iterable[tuple[int, int]]) -> CheckpointError:
    return CheckpointError(
        f"{path}: no single reduction explains the hidden units of its {module} modules ({_hidden_text(pairs)} "
        "channels); name the network with --arch FILE.py:function."
    )


def _matrix(own: Tensors, name: str, site: Site, path: Path) -> Tensor:
    tensor = own.get(name)
    if tensor is None or tensor.ndim != 2:
        found = "is missing" if tensor is None else f"has the shape {tuple(tensor.shape)}"
        raise CheckpointError(
            f"{path}: {site.block}.attention.{name} {found} where (hidden, channels) is expected; use a complete file, "
            "or name the network with --arch FILE.py:function."
        )
    return tensor


def _under(tensors: Tensors, prefix: str) -> dict[str, Tensor]:
    return {name[len(prefix) :]: tensor for name, tensor in tensors.items() if name.startswith(prefix)}
