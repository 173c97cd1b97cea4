"""What the numbers of a classifier are: logits of a softmax, logits of sigmoids, or probabilities already."""

from __future__ import annotations

from typing import Literal, get_args

from autola_analysis.core.errors import OptionError

OutputKind = Literal["softmax", "sigmoid", "probabilities"]
"""Logits that a softmax turns into probabilities, logits of which each has a sigmoid of its own, or probabilities"""


def checked_output_kind(kind: str | None) -> OutputKind | None:
    """Return a kind of output as it is; None where none was given.

    Raises:
        OptionError: If there is no such kind.
    """
    for known in get_args(OutputKind):
        if kind == known:
            return known
    if kind is None:
        return None
    raise OptionError(f"--output is one of {', '.join(get_args(OutputKind))}; found {kind!r}.")
