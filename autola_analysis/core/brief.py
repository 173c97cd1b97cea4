"""A result in a few lines: what it holds and how much of it, rather than every number."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

WIDTH = 100
LONGEST = 60
"""Characters of a text that are shown."""
SHOWN = 3
"""Names of the entries of a mapping that are shown."""


def brief(instance: Any) -> str:
    """Return a dataclass with a short word on each of its fields, a few lines of at most 100 characters."""
    parts = [f"{field.name}={_short(getattr(instance, field.name))}" for field in fields(instance)]
    text = f"{type(instance).__name__}({', '.join(parts)})"
    return textwrap.fill(text, WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)


def _short(value: object) -> str:
    """Return the size of what is large, the names of what has names, and everything else as it is."""
    shape = getattr(value, "shape", None)
    if shape is not None:
        return f"<{type(value).__name__} {' x '.join(map(str, shape))}>"
    if isinstance(value, Mapping):
        names = [str(name) for name in list(value)[:SHOWN]] + ["..."] * (len(value) > SHOWN)
        return f"<{len(value)}: {', '.join(names)}>" if value else "{}"
    if isinstance(value, Sequence) and not isinstance(value, str) and len(value) > SHOWN:
        return f"<{len(value)} of {type(value[0]).__name__}>"
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
