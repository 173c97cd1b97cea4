"""Layer names: which a model has, which an analysis takes by default, and what to say about one it lacks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from torch import nn

from autola_analysis.core.errors import LayerError, UnknownNameError
from autola_analysis.core.registry import nearest
from autola_analysis.inference.places import ModuleNames, Place, module_names, places_among

STAGE = re.compile(r"^(?P<around>(?:.*\.)?)(layer\d+|stages?[._]?\d+)$")


def layer_names(model: nn.Module) -> list[str]:
    """Return the names of all modules that a tap can be put on, in order of definition."""
    return [name for name in module_names(model) if name]


def stage_names(model: nn.Module) -> list[str]:
    """Return the names of the stages (``layer1``, ``layer2``, ...), empty for networks without such.

    They are those that lie least deep, within one part of the network where something is around it (``model.layer1``).
    """
    return _stages_among(module_names(model))


def resolve_layers(model: nn.Module, layers: Sequence[str] | None) -> list[str]:
    """Return the layers to analyse: those asked for, else the model's stages.

    A name may also be that of one run of a layer or of an entry of its output, see `places`. A name that leaves out
    what stands around the stages is completed: ``layer3`` of a detector is its ``backbone.body.layer3``.

    Raises:
        UnknownNameError: If the model has no such layer; the message names the nearest.
        LayerError: If none was asked for and the model has no stages, or one was named twice.
    """
    if layers is not None:
        return [place.name for place in _resolved(module_names(model), layers)]
    stages = stage_names(model)
    if not stages:
        children = ", ".join(name for name, _ in model.named_children())
        raise LayerError(f"this network has no stages named layer1, layer2, ...; name layers, e.g. of: {children}.")
    return stages


def resolve_places(model: nn.Module, layers: Sequence[str]) -> list[Place]:
    """Return the places that names mean, which the network has; a place keeps its name as it was asked for.

    Raises:
        UnknownNameError: As `resolve_layers`.
        LayerError: If one was named twice.
    """
    places = _resolved(module_names(model), layers)
    return [replace(place, name=name) for place, name in zip(places, layers, strict=True)]


def _resolved(modules: ModuleNames, layers: Sequence[str]) -> list[Place]:
    """Return the places that names mean, by their complete names."""
    places = _completed(modules, layers)
    for place in places:
        module = place.module
        if module not in modules or (module == "" and not place.gate):
            names = [name for name in modules if name]
            others = f"the nearest: {', '.join(nearest(module, names))}" if names else "it has no submodules to name"
            raise UnknownNameError(f"the network has no layer {module!r}; {others}.")
    if len({place.name for place in places}) != len(layers):
        raise LayerError(f"a layer is named twice: {', '.join(layers)}.")
    return places


def _completed(modules: ModuleNames, layers: Sequence[str]) -> list[Place]:
    """Return places whose names have the part of the network in front that holds the stages, if they left it out."""
    places = places_among(modules, layers)
    if all(place.module in modules for place in places):
        return places
    around = next(iter(_stages_among(modules)), "").rpartition(".")[0]
    longer = places_among(modules, [f"{around}.{name}" for name in layers])
    return [
        short if short.module in modules or full.module not in modules else full
        for short, full in zip(places, longer, strict=True)
    ]


def _stages_among(modules: ModuleNames) -> list[str]:
    matches = [match for name in modules if (match := STAGE.match(name))]
    depth = min((match["around"].count(".") for match in matches), default=0)
    outermost = [match for match in matches if match["around"].count(".") == depth]
    return [match[0] for match in outermost] if len({match["around"] for match in outermost}) == 1 else []
