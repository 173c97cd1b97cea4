"""What a command line cannot take for granted: open streams, a terminal's letters, a working directory."""

from __future__ import annotations

import io
import os
import sys

from autola_analysis.core.errors import OptionError


def mend_streams() -> None:
    """Open what is closed of standard input, output and error, so that no file takes its number, here or in a child.

    Letters that a terminal has no code for are written as escapes.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free, which is this one
            os.set_inheritable(number, True)  # processes that this one starts need it too
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, closefd=False))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def check_working_directory() -> None:
    """Refuse to run in a directory that has been deleted.

    Raises:
        OptionError: If it has.
    """
    try:
        os.getcwd()  # noqa: PTH109  Path.cwd() does the same
    except FileNotFoundError as error:
        raise OptionError("the working directory has been deleted; change to one that exists (cd).") from error


def say_errors_only() -> None:
    """Keep torch from warning of lost connections by pages of addresses in its code, unless a user asks for that."""
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")


def draw_into_files() -> None:
    """Let matplotlib draw into files only, whatever window system a user's settings name."""
    os.environ["MPLBACKEND"] = "agg"
