"""Numbers as words, the same in the terminal, on the page and in papers; and foreign texts as text."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any


def printable(text: str) -> str:
    """Return a text with escapes for what a terminal or a page cannot show."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def shown(value: Any) -> Any:
    """Return nested lists and tables of foreign values with every text printable, their keys included."""
    if isinstance(value, Mapping):
        return {printable(str(key)): shown(each) for key, each in value.items()}
    if isinstance(value, list):
        return [shown(each) for each in value]
    return printable(value) if isinstance(value, str) else value


def number_text(number: float, sign: str = "") -> str:
    """Return a number with four decimal digits; nothing where it is not known.

    Args:
        number: The number; NaN where there is none.
        sign: "+" writes the sign of a positive number too.
    """
    return "" if math.isnan(number) else f"{number:{sign}.4f}"


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


def percent_text(share: float | None, low: float = math.nan, high: float = math.nan, unit: str = "%") -> str:
    """Return an accuracy, which tables hold as a share, in per cent, with its interval where there is one.

    Args:
        share: From 0 to 1; None and NaN give "not measured".
        low: Lower end of the interval.
        high: Upper end.
        unit: Written behind the number; empty for differences of accuracies, which are in points.

    Example:
        >>> percent_text(0.9275, 0.9153, 0.9381), percent_text(0.5), percent_text(None)
        ('92.75 % [91.53, 93.81]', '50.00 %', 'not measured')
    """
    if share is None or math.isnan(share):
        return "not measured"
    interval = "" if math.isnan(low) else f" [{100 * low:.2f}, {100 * high:.2f}]"
    return f"{100 * share:.2f} {unit}".rstrip() + interval


def title_of(model: str, run: str) -> str:
    """Return what messages call a training run of a variant: the variant alone where it is the first run."""
    return model if run == "1" else f"{model} (run {run})"


def counted(number: int, what: str) -> str:
    """Return a number with its noun, in the plural where it needs it."""
    return f"{number:,} {what if number == 1 else plural(what)}"


def plural(noun: str) -> str:
    """Return the plural of a noun."""
    return noun + ("es" if noun.endswith(("s", "ch", "x")) else "s")


def size_text(number: float) -> str:
    """Return a number of parameters or multiply-adds with two digits that count, in millions or billions.

    Example:
        >>> size_text(272_474), size_text(40_813_184), size_text(4.1e9), size_text(900)
        ('0.27 M', '41 M', '4.1 G', '900')
    """
    if number < 1e4:
        return f"{number:,.0f}"
    size, letter = (1e9, "G") if number >= 1e9 else (1e6, "M")
    scaled = number / size
    return f"{scaled:,.0f} {letter}" if scaled >= 9.95 else f"{scaled:.2g} {letter}"


LAST_PART = re.compile(r"[^.]+(\.\d+)*$")


def last_parts(names: Sequence[str]) -> dict[str, str]:
    """Return the last part of dotted names, with the numbers behind it, where that tells them apart; else the names.

    Example:
        >>> last_parts(["backbone.layer1", "net.deconvs.8"]), last_parts(["a.conv", "b.conv"])
        ({'backbone.layer1': 'layer1', 'net.deconvs.8': 'deconvs.8'}, {'a.conv': 'a.conv', 'b.conv': 'b.conv'})
    """
    last = {name: found[0] if (found := LAST_PART.search(name)) else name for name in names}
    return last if len(set(last.values())) == len(last) else {name: name for name in names}


def wirings_text(number: int) -> str:
    """Say how many training runs a variant has that stands for a population of wirings."""
    return f"{counted(number, 'wiring')}, one run each"


def apart(names: Sequence[str]) -> tuple[str, ...]:
    """Return names in order, those that stand there more than once with their place behind them.

    Example:
        >>> apart(["crane", "owl", "crane"])
        ('crane (0)', 'owl', 'crane (2)')
    """
    counts = Counter(names)
    if len(counts) == len(names):
        return tuple(names)
    return apart([f"{name} ({place})" if counts[name] > 1 else name for place, name in enumerate(names)])
