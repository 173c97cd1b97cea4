"""Numbers as words, the same in the terminal, on the page and in papers."""

from __future__ import annotations

import math


def interval_text(low: float, high: float, sign: str = "") -> str:
    """Return an interval as text; nothing where it is not known.

    Args:
        low: Its lower end; NaN where there is none.
        high: Its upper end.
        sign: "+" writes the sign of positive ends too.

    Example:
        >>> interval_text(-0.5, 0.25, "+")
        '[-0.5000, +0.2500]'
    """
    return "" if math.isnan(low) else f"[{low:{sign}.4f}, {high:{sign}.4f}]"


def title_of(model: str, run: str) -> str:
    """Return what messages call a training run of a variant: the variant alone where it is the first run."""
    return model if run == "1" else f"{model} (run {run})"


def counted(number: int, what: str) -> str:
    """Return a number with its noun, in the plural where it needs it."""
    return f"{number:,} {what}" + ("" if number == 1 else "es" if what.endswith("s") else "s")


def metric_text(number: float, sign: str = "") -> str:
    """Return a large number in thousands, millions or billions.

    Args:
        number: The number; NaN gives nothing.
        sign: "+" writes the sign of a positive number too.

    Example:
        >>> metric_text(61_259, "+"), metric_text(41e6), metric_text(0)
        ('+61.3 k', '41.0 M', '0')
    """
    if math.isnan(number):
        return ""
    for size, letter in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(number) >= size:
            return f"{number / size:{sign}.1f}{letter}"
    return f"{number:{sign if number else ''}.0f}"


def wirings_text(number: int) -> str:
    """Say how many training runs a variant has that stands for a population of wirings."""
    return f"{counted(number, 'wiring')}, one run each"
