"""Layer names: which a model has, which an analysis takes by default, and what to say about one it lacks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from torch import nn

from autola_analysis.core.errors import LayerError, UnknownNameError
from autola_analysis.core.registry import nearest
from autola_analysis.inference.places import Place, places_of

STAGE = re.compile(r"^(?P<around>(?:.*\.)?)(layer\d+|stages?[._]?\d+)$")


def layer_names(model: nn.Module) -> list[str]:
    """Return the names of all modules that a tap can be put on, in order of definition."""
    return [name for name, _ in model.named_modules() if name]


def stage_names(model: nn.Module) -> list[str]:
    """Return the names of the stages (``layer1``, ``layer2``, ...), empty for networks without such.

    They are those that lie least deep, within one part of the network where something is around it (``model.layer1``).
    """
    matches = [match for name in layer_names(model) if (match := STAGE.match(name))]
    depth = min((match["around"].count(".") for match in matches), default=0)
    outermost = [match for match in matches if match["around"].count(".") == depth]
    return [match[0] for match in outermost] if len({match["around"] for match in outermost}) == 1 else []


def resolve_layers(model: nn.Module, layers: Sequence[str] | None) -> list[str]:
    """Return the layers to analyse: those asked for, else the model's stages.

    A name may also be that of one run of a layer or of an entry of its output, see `places`. A name that leaves out
    what stands around the stages is completed: ``layer3`` of a detector is its ``backbone.body.layer3``.

    Raises:
        UnknownNameError: If the model has no such layer; the message names the nearest.
        LayerError: If none was asked for and the model has no stages, or one was named twice.
    """
    if layers is None:
        stages = stage_names(model)
        if not stages:
            children = ", ".join(name for name, _ in model.named_children())
            raise LayerError(f"this network has no stages named layer1, layer2, ...; name layers, e.g. of: {children}.")
        return stages
    resolve_places(model, layers)
    return complete_names(model, layers)


def resolve_places(model: nn.Module, layers: Sequence[str]) -> list[Place]:
    """Return the places that names mean, which the network has; a place keeps its name as it was asked for.

    Raises:
        UnknownNameError: As `resolve_layers`.
        LayerError: If one was named twice.
    """
    names, completed = layer_names(model), complete_names(model, layers)
    places = [replace(place, name=name) for place, name in zip(places_of(model, completed), layers, strict=True)]
    for place in places:
        module = place.module
        if module not in names and not (module == "" and place.gate):
            raise UnknownNameError(
                f"the network has no layer {module!r}; the nearest: {', '.join(nearest(module, names))}."
            )
    if len(set(completed)) != len(layers):
        raise LayerError(f"a layer is named twice: {', '.join(layers)}.")
    return places


def complete_names(model: nn.Module, layers: Sequence[str]) -> list[str]:
    """Return names with the part of the network that holds the stages in front, where they left it out."""
    around = next(iter(stage_names(model)), "").rpartition(".")[0]
    names = {"", *layer_names(model)}
    completed = [f"{around}.{name}" for name in layers]
    return [
        name if short.module in names or full.module not in names else longer
        for name, longer, short, full in zip(
            layers, completed, places_of(model, layers), places_of(model, completed), strict=True
        )
    ]
