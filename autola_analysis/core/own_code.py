"""What the code of users raises: networks and attention modules that are named as FILE.py:NAME may raise anything."""

from __future__ import annotations

from autola_analysis.core.errors import AutolaError
from autola_analysis.core.interrupts import is_interrupt

LONGEST = 300


def is_of_own_code(error: BaseException) -> bool:
    """Return whether an error that came out of a user's code is that code's affair.

    Errors of this package are sentences already, and an interrupt or the end of a generator is nobody's error.
    ``SystemExit`` and a ``KeyboardInterrupt`` that no signal caused are: they would end the run without a word.
    """
    return not (isinstance(error, (AutolaError, GeneratorExit, MemoryError)) or is_interrupt(error))


def reason_of(error: BaseException) -> str:
    """Return the kind of an error and the first line of what it says."""
    lines = str(error).strip().splitlines()
    kind = "" if type(error) is RuntimeError and lines else type(error).__name__
    return ": ".join(part for part in (kind, lines[0].rstrip(".")[:LONGEST] if lines else "") if part)
