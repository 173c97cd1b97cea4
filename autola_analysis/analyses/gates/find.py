"""Which gates a network has: the sigmoids of its attention modules, and what a module names itself."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from autola_analysis.core.errors import LayerError

NO_GATES = "no Sigmoid module, and no attention module that names its gates in a gates() method"


@dataclass(frozen=True)
class Gate:
    """One gate of one attention module.

    Attributes:
        module: Name of the attention module ("layer1.0.attention").
        name: Name of the gate within it ("channel_gate", "ops.2.gate").
        layer: The layer to tap, whose output is the gate's value.
    """

    module: str
    name: str
    layer: str


def find_gates(model: nn.Module) -> list[Gate]:
    """Return the gates of a network in order of definition.

    A gate is a Sigmoid module, named after the module it ends; its attention module is the enclosing ``attention``,
    or else the parent. A module with a ``gates()`` method names its gates itself: a list of submodule names whose
    outputs are gates.

    Raises:
        LayerError: If there is none.
    """
    gates = _gates(model)
    if not gates:
        raise LayerError(f"the network has no gates: {NO_GATES}.")
    return gates


def has_gates(model: nn.Module) -> bool:
    """Return whether a network has any gate, see `find_gates`."""
    return bool(_gates(model))


def _gates(model: nn.Module) -> list[Gate]:
    gates: list[Gate] = []
    spoken_for: list[str] = []
    for name, module in model.named_modules():
        own = getattr(module, "gates", None)
        if callable(own):
            gates += [Gate(name, gate, f"{name}.{gate}" if name else gate) for gate in own()]
            spoken_for.append(f"{name}.")
        elif isinstance(module, nn.Sigmoid) and not any(name.startswith(prefix) for prefix in spoken_for):
            gates.append(_gate_of_sigmoid(name))
    return gates


def _gate_of_sigmoid(layer: str) -> Gate:
    parts = layer.split(".")[:-1]
    depth = len(parts) - 1
    if "attention" in parts:
        depth = len(parts) - 1 - parts[::-1].index("attention")
    return Gate(".".join(parts[: depth + 1]), ".".join(parts[depth + 1 :]) or "gate", layer)
