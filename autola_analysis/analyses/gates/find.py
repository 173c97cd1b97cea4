"""Which gates a network has: what its modules multiply feature maps by, and what a module names itself."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from torch import nn

from autola_analysis.core.errors import LayerError
from autola_analysis.inference.gates import gate_layers
from autola_analysis.inference.places import module_names, places_of

NO_GATES = (
    "no feature map is multiplied by the output of a sigmoid or of anything else between 0 and 1, and no attention "
    "module names its gates in a gates() method"
)

NETWORK = "network"
"""Module of gates that the network's own forward makes"""


@dataclass(frozen=True)
class Gate:
    """One gate of one attention module.

    Attributes:
        module: Name of the attention module ("layer1.0.attention").
        name: Name of the gate within it ("channel_gate", "ops.2.gate").
        layer: The place to tap, whose output is the gate's value.
    """

    module: str
    name: str
    layer: str


def find_gates(model: nn.Module, side: int | None = None) -> list[Gate]:
    """Return the gates of a network in order of definition.

    A gate is what a feature map is multiplied by, see `gate_layers`, named after the module whose last layer puts it
    out; its attention module is the enclosing ``attention``, or else the parent. Several gates of a module that would
    have one name are called by all of their place in it. A module with a ``gates()`` method
    names its gates itself: a list of submodule names whose outputs are gates.

    Args:
        model: A network of images, which runs on two images of noise and is as before afterwards.
        side: Of the images it is made for, in pixels; None where that is not known.

    Raises:
        LayerError: If there is none.
    """
    gates = gates_of(model, side)
    if not gates:
        raise LayerError(f"the network has no gates: {NO_GATES}.")
    return gates


def gates_of(model: nn.Module, side: int | None = None) -> list[Gate]:
    """Return the gates of a network, none where it has none; see `find_gates`."""
    gates: list[Gate] = []
    spoken_for: list[str] = []
    for name, module in model.named_modules():
        own = getattr(module, "gates", None)
        if callable(own):
            gates += [Gate(name, gate, f"{name}.{gate}" if name else gate) for gate in own()]
            spoken_for += [f"{name}.", f"{name}*"] if name else [""]
    gates += [_named(layer) for layer in gate_layers(model, side) if not layer.startswith(tuple(spoken_for))]
    order = {name: position for position, name in enumerate(module_names(model))}
    modules = {place.name: place.module for place in places_of(model, [gate.layer for gate in gates])}
    gates.sort(key=lambda gate: order[modules[gate.layer]])
    names = Counter((gate.module, gate.name) for gate in gates)
    return [gate if names[gate.module, gate.name] == 1 else _in_full(gate) for gate in gates]


def _named(layer: str) -> Gate:
    """Return a gate by its place: a layer ``gate.sigmoid``, or ``se*1``, which a module makes in its own forward."""
    if "*" in layer:
        return Gate(layer.split("*")[0] or NETWORK, "gate", layer)
    parts = layer.split(".")[:-1]
    depth = len(parts) - 1
    if "attention" in parts:
        depth = len(parts) - 1 - parts[::-1].index("attention")
    return Gate(".".join(parts[: depth + 1]) or NETWORK, ".".join(parts[depth + 1 :]) or "gate", layer)


def _in_full(gate: Gate) -> Gate:
    """Return a gate that is called by all of its place in its module."""
    return replace(gate, name=gate.layer.removeprefix(gate.module).removeprefix("."))
