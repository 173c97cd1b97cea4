"""The width at which a network has a given number of parameters: the size of a module without the module."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from functools import cache

from torch import nn

from autola_analysis.core.errors import OptionError

WIDEST_START = 128
"""No attention module is expected to need a larger first width, or larger steps."""


def count_parameters(model: nn.Module) -> int:
    """Return the number of parameters of a network."""
    return sum(parameter.numel() for parameter in model.parameters())


def nearest_width(build: Callable[[int], nn.Module], parameters: int, what: str) -> int:
    """Return the base width at which a network's number of parameters is nearest to `parameters`.

    Widths are those that the attention module accepts: they start at the first that can be built and go on in steps of
    the distance to the second (4, 8, 12, ... where HOGA splits channels into four groups). Of two widths at the same
    distance the smaller one is taken.

    Args:
        build: Width -> network, whose number of parameters grows with the width.
        parameters: To match, those of the whole network.
        what: Name of the network, for messages.

    Raises:
        OptionError: If the narrowest network has more parameters, or no width can be built.
    """

    @cache
    def size(width: int) -> int:
        return count_parameters(build(width))

    first, second = _first_widths(size)
    if parameters < size(first):
        raise OptionError(
            f"{what} cannot have as few as {parameters:,} parameters: at its smallest width, {first}, it has "
            f"{size(first):,}; give at least that many."
        )
    step = second - first
    reach = 1
    while size(first + reach * step) < parameters:
        reach *= 2
    widths = range(first, first + (reach + 1) * step, step)
    above = bisect_left(widths, parameters, key=size)
    return min(widths[max(above - 1, 0) : above + 1], key=lambda width: (abs(size(width) - parameters), width))


def _first_widths(size: Callable[[int], int]) -> tuple[int, int]:
    """Return the two smallest widths that can be built."""
    found: list[int] = []
    for width in range(1, WIDEST_START + 1):
        try:
            size(width)
        except (ArithmeticError, OptionError, RuntimeError, ValueError) as error:  # an own module may raise any of them
            refusal = error
        else:
            found.append(width)
        if len(found) == 2:
            return found[0], found[1]
    if isinstance(refusal, OptionError):
        raise refusal
    raise OptionError(f"no width from 1 to {WIDEST_START} can be built ({refusal}).") from refusal
