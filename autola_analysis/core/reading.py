"""Files of users and others, read with bounds: ordinary files only, text that is text, JSON and TOML of sane size.

A pipe or a device would block for ever or never end; a text nested a hundred thousand deep exhausts the stack of
whatever reads it; an integer of thousands of digits overflows later, far from the file. All of it is refused here.
"""

from __future__ import annotations

import errno
import json
import math
import os
import stat
import tomllib
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path
from typing import Any, NoReturn

DEEPEST = 64
"""Levels of lists and tables inside each other."""
LARGEST_INTEGER = 2**63
LARGEST_TEXT = 2**30
"""Bytes of a text file; the annotations of COCO have half of that."""
MOST_DOTS = 1000
"""Dots in one line of a TOML file: a key of n parts takes tomllib n^2 steps."""


class TextFault(ValueError):
    """A sentence about a file whose text cannot be used, without the file's name."""


def open_ordinary(path: str | Path) -> BufferedReader:
    """Open a file for reading in binary mode.

    Raises:
        OSError: If it cannot be opened, or is a pipe, a device or a socket.
    """
    file = open(path, "rb", opener=_without_waiting)  # noqa: SIM115 - and it alone closes what it has opened
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "No ordinary file, but a pipe, a device or a socket", str(path))
    return file


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def read_bytes(path: str | Path, most: int | None = None) -> bytes:
    """Return the bytes of an ordinary file.

    Raises:
        OSError: See `open_ordinary`; also if it has more than `most` bytes.
    """
    with open_ordinary(path) as file:
        size = os.fstat(file.fileno()).st_size
        if most is not None and size > most:
            raise OSError(errno.EFBIG, f"It has {size:,} bytes, and up to {most:,} are read", str(path))
        return file.read()


def read_text(path: str | Path) -> str:
    """Return the text of an ordinary file in UTF-8, without a byte order mark.

    Raises:
        OSError: See `read_bytes`.
        TextFault: If it is no UTF-8, or holds a null character.
    """
    return text_of(read_bytes(path, LARGEST_TEXT))


def text_of(content: bytes) -> str:
    """Return bytes as text; see `read_text`."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise TextFault("it is UTF-16 text; save it as UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TextFault(f"it is no UTF-8 text (byte {error.start} is {content[error.start]:#04x})") from error
    if "\0" in text:
        raise TextFault("it holds null characters, which no text has")
    return text


def json_of(text: str, finite: bool = True) -> Any:
    """Return what a JSON text holds.

    Args:
        text: The text.
        finite: Whether NaN and infinities are refused, which JSON does not have and Python writes.

    Raises:
        TextFault: If it is no JSON, is nested too deeply, or has an integer of more than 64 bits, a NaN, an infinity or
            a null character.
    """
    refusing: dict[str, Any] = {"parse_constant": _refuse_constant, "parse_float": _finite} if finite else {}
    return _bounded(lambda: json.loads(text, **refusing), "JSON")


def toml_of(text: str) -> dict[str, Any]:
    """Return what a TOML text holds.

    Raises:
        TextFault: If it is no TOML, is nested too deeply, or has an integer of more than 64 bits or a null character.
    """
    for number, line in enumerate(text.splitlines(), 1):
        if line.count(".") > MOST_DOTS:
            raise TextFault(f"line {number} has more than {MOST_DOTS:,} dots")
    values: dict[str, Any] = _bounded(lambda: tomllib.loads(text), "TOML")
    return values


def _bounded(parse: Callable[[], Any], what: str) -> Any:
    try:
        value = parse()
    except TextFault:
        raise
    except RecursionError as error:
        raise TextFault(f"it is nested more than {DEEPEST} levels deep") from error
    except (json.JSONDecodeError, tomllib.TOMLDecodeError) as error:
        raise TextFault(f"it is no {what}: {' '.join(str(error).split())}") from error
    except ValueError as error:  # an integer of more digits than Python converts, a date of month 13
        raise TextFault(f"it holds a number or a date that cannot be read: {str(error).partition(';')[0]}") from error
    check_values(value)
    return value


def check_values(value: Any) -> None:
    """Refuse values of JSON or TOML that nothing needs and that break what takes them.

    Raises:
        TextFault: If they are nested too deeply, or have an integer of more than 64 bits or a null character.
    """
    level = [value]
    for _ in range(DEEPEST):
        inner: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                inner += [*item.keys(), *item.values()]
            elif isinstance(item, list):
                inner += item
            elif isinstance(item, str) and "\0" in item:
                raise TextFault(f"the text {item[:40]!r} holds a null character")
            elif isinstance(item, int) and abs(item) >= LARGEST_INTEGER:
                raise TextFault(f"it has an integer of {item.bit_length()} bits, and up to 64 are allowed")
        if not inner:
            return
        level = inner
    raise TextFault(f"it is nested more than {DEEPEST} levels deep")


def is_number(value: object) -> bool:
    """Return whether a value of JSON or TOML is a finite number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _refuse_constant(name: str) -> NoReturn:
    raise TextFault(f"it has the value {name}, which is no number of JSON")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise TextFault(f"the number {text[:40]} is too large")
    return value
