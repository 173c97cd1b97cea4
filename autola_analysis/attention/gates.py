"""Which submodules of a network are gates."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from torch import nn


def gate_names(model: nn.Module) -> list[str]:
    """Return the names of a network's gates: submodules that end in a Sigmoid, or that ``gates()`` names.

    The last child of such a module is a Sigmoid, as in every attention here and in most elsewhere. A module built
    otherwise has a method ``gates()`` that returns the names of its gates, relative to itself. A gate inside a gate is
    not named again, and the network itself, which may end in a Sigmoid, is none.
    """
    found: list[str] = []
    for name, module in model.named_modules():
        own: Callable[[], Iterable[str]] | None = getattr(module, "gates", None)
        if callable(own):
            found += [f"{name}.{gate}" if name else gate for gate in own()]
        elif name and _ends_in_sigmoid(module):
            found.append(name)
    outer: list[str] = []
    for name in dict.fromkeys(found):
        if not any(name.startswith(f"{other}.") for other in found):
            outer.append(name)
    return outer


def _ends_in_sigmoid(module: nn.Module) -> bool:
    children = list(module.children())
    return len(children) > 1 and isinstance(children[-1], nn.Sigmoid)
