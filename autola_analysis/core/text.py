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


def counted(number: int, what: str) -> str:
    """Return a number with its noun, in the plural where it needs it."""
    return f"{number:,} {what}" + ("s" if number != 1 else "")
