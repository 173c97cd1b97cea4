"""Words that are one of a few."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from autola_analysis.core.errors import OptionError

Choice = TypeVar("Choice", bound=str)


def checked_choice(flag: str, word: str, choices: Sequence[Choice]) -> Choice:
    """Return a word as one of some choices.

    Args:
        flag: What it was given by, for the message.
        word: What was given.
        choices: The words that there are.

    Raises:
        OptionError: If it is none of them.
    """
    for choice in choices:
        if word == choice:
            return choice
    raise OptionError(f"{flag} is one of {', '.join(choices)}; found {word!r}.")
