"""Ending a run without leaving anything half-done."""

from __future__ import annotations

import _thread
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

ENDING = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")
    if hasattr(signal, name)
)
"""What ends a run: Ctrl-C, a terminal that is closed, Ctrl-\\, a scheduler's order or its warning that time is up."""
IMPATIENCE = 1.0
"""Seconds in which a second Ctrl-C is taken for the first."""

_watching = False
_ended = False


def end_quietly() -> None:
    """Let Ctrl-C end the process as it ends one that knows nothing of it: while modules load, nothing is begun yet."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # a shell's background job ignores Ctrl-C
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def end_on_signals() -> None:
    """Let Ctrl-C and what schedulers send end the run, and impatient repetitions not disturb its cleaning up.

    Python drops what is raised while it deletes an object; an interrupt that came just then comes again. So does one
    that some library's code swallowed, at the next step of a long loop, see `raise_if_ended`.
    """
    global _watching
    last, _watching = -IMPATIENCE, True

    def interrupt(number: int, frame: object) -> None:
        global _ended
        nonlocal last
        _ended, now = True, time.monotonic()
        if now - last >= IMPATIENCE:
            last = now
            raise KeyboardInterrupt

    def dropped(error: sys.UnraisableHookArgs) -> None:
        nonlocal last
        if issubclass(error.exc_type, KeyboardInterrupt):
            last = -IMPATIENCE
            threading.Timer(0.01, _thread.interrupt_main).start()  # not here: it would be dropped again
        else:
            sys.__unraisablehook__(error)

    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, interrupt)
    sys.unraisablehook = dropped


def raise_if_ended() -> None:
    """End the run now if a signal should have ended it before.

    Raises:
        KeyboardInterrupt: If one came, and this is the main thread: what it raised has been lost on its way.
    """
    if _ended and threading.current_thread() is threading.main_thread():
        raise KeyboardInterrupt


def is_interrupt(error: BaseException) -> bool:
    """Return whether an error is a user's or a scheduler's signal, rather than raised by the code of a network."""
    return isinstance(error, KeyboardInterrupt) and (_ended or not _watching)


def ignore_signals() -> None:
    """Let no signal end the process any more: all is done, and one that comes now would only show a traceback."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold back signals until the context ends; the first that came is delivered then.

    For what must not stop half-way and takes no time: removing temporary files, renaming. In other threads than the
    main one, which never see signals, nothing is changed.
    """
    came: list[int] = []
    try:
        with _handled_by(lambda number, frame: came.append(number)):
            yield
    finally:
        if came:
            signal.raise_signal(came[0])


@contextmanager
def held_until_repeated() -> Iterator[None]:
    """Hold back signals until the context ends; one that is sent again a second later ends it at once.

    For what must not stop half-way and may wait for something: a queue between processes, whose lock an interrupt
    might leave locked.
    """
    came: list[tuple[int, float]] = []

    def hold(number: int, frame: object) -> None:
        if came and time.monotonic() - came[0][1] >= IMPATIENCE:
            came.clear()
            raise KeyboardInterrupt
        came.append((number, time.monotonic()))

    try:
        with _handled_by(hold):
            yield
    finally:
        if came:
            signal.raise_signal(came[0][0])


@contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Let a function handle the signals that are not ignored; nothing is changed in other threads than the main one."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: own for number in ENDING if (own := signal.getsignal(number)) is not signal.SIG_IGN}
    for number in before:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number, own in before.items():
            signal.signal(number, own if own is not None else signal.SIG_DFL)
