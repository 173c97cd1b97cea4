"""Layer names: which a model has, which an analysis takes by default, and what to say about one it lacks."""

from __future__ import annotations

import re
from collections.abc import Sequence

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

    A name may also be that of one run of a layer or of an entry of its output, see `places`.

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
    return [place.name for place in resolve_places(model, layers)]


def resolve_places(model: nn.Module, layers: Sequence[str]) -> list[Place]:
    """Return the places that names mean, which the network has.

    Raises:
        UnknownNameError: As `resolve_layers`.
        LayerError: If one was named twice.
    """
    names = layer_names(model)
    places = places_of(model, layers)
    for place in places:
        module = place.module
        if module not in names and not (module == "" and place.gate):
            raise UnknownNameError(
                f"the network has no layer {module!r}; the nearest: {', '.join(nearest(module, names))}."
            )
    if len(set(layers)) != len(layers):
        raise LayerError(f"a layer is named twice: {', '.join(layers)}.")
    return places
