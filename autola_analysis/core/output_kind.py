"""What the numbers of a classifier are: logits of a softmax, logits of sigmoids, or probabilities already."""

from __future__ import annotations

from typing import Literal, get_args

from autola_analysis.core.choices import checked_choice

OutputKind = Literal["softmax", "sigmoid", "probabilities"]
"""Logits that a softmax turns into probabilities, logits of which each has a sigmoid of its own, or probabilities"""
OUTPUT_KINDS: tuple[OutputKind, ...] = get_args(OutputKind)


def checked_output_kind(kind: str | None) -> OutputKind | None:
    """Return a kind of output as it is; None where none was given.

    Raises:
        OptionError: If there is no such kind.
    """
    return None if kind is None else checked_choice("--output", kind, OUTPUT_KINDS)
