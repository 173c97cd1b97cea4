"""What a run shows while it works: numbered steps, and how far the longer ones are.

On a terminal the last line says what runs and is drawn again every half second; elsewhere, in a log file, it is a line
of its own every ten seconds. A thread draws it, so that it moves while a library computes for long. This module
imports nothing heavy: the command line shows a step while the libraries load.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self, TextIO

from autola_analysis.core.distributed import current
from autola_analysis.core.interrupts import raise_if_ended

SILENT_SECONDS = 2.0
"""What takes less is not shown."""
REDRAWN_SECONDS = 0.5
"""On a terminal."""
LOGGED_SECONDS = 10.0
"""Between two lines about one thing in a log file."""
BAR = 20


class ProgressBar:
    """Something that takes its time, and how far it is.

    An interrupt that was lost is raised again when it is updated, whether it is shown or not.

    Args:
        total: Number of units to come; None where that is not known.
        what: What is done, in words.
        unit: Name of the units, in the plural.
        display: What shows it; None shows nothing.
        heading: A line that stays, written after two seconds or at the end, whichever comes first; none where an
            error comes first, so that bad input is answered by one sentence.

    Attributes:
        n: Units that are done.
        what: See above.
        heading: See above.
        done: Whether it has ended, and not by an error.
    """

    def __init__(self, total: int | None, what: str, unit: str, display: Display | None, heading: str = "") -> None:
        self.n: float = 0
        self.what = what
        self.heading = heading
        self.done = False
        self._total = total
        self._unit = unit
        self._display = display
        self._start = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._start

    def update(self, n: float | None = 1) -> None:
        """Note that `n` units more are done."""
        raise_if_ended()
        self.n += n or 0

    def text(self, with_bar: bool) -> str:
        """Say what is done and how far it is."""
        seconds = self.seconds
        if not self._total or not self.n:
            return f"{self.what}, {seconds:.0f} s"
        share = min(self.n / self._total, 1.0)
        bar = f"[{'#' * int(BAR * share):.<{BAR}}] " if with_bar else ""
        left = _duration(seconds / share - seconds)
        rate = self.n / seconds
        counts = f"{self.n:,.0f} of {self._total:,} {self._unit}" + (f", {rate:,.0f}/s" if rate >= 1 else "")
        return f"{self.what} {bar}{100 * share:.0f} %, {counts}, {left} left"

    def __enter__(self) -> Self:
        self._start = time.monotonic()
        if self._display is not None:
            self._display.begin(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.done = error is None
        if self._display is not None:
            self._display.end(self)


class Display:
    """Shows the innermost of what runs; the only writer is its thread, which lives while anything runs.

    Args:
        stream: Where to; None takes standard error, as it is when something begins.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._given = stream
        self._stream: TextIO = sys.stderr
        self._running: list[ProgressBar] = []
        self._unnamed: deque[ProgressBar] = deque()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._drawn = 0
        self._logged: tuple[ProgressBar | None, float] = (None, 0.0)

    def begin(self, bar: ProgressBar) -> None:
        """Show something from now on."""
        self._running.append(bar)
        self._unnamed.append(bar)
        if self._thread is None:
            self._stream = self._given or sys.stderr
            self._thread = threading.Thread(target=self._show, name="progress", daemon=True)
            self._thread.start()

    def end(self, bar: ProgressBar) -> None:
        """Show it no more."""
        self._running.remove(bar)
        self._wake.set()
        if not self._running and self._thread is not None:
            thread, self._thread = self._thread, None
            thread.join()

    def _show(self) -> None:
        if hasattr(signal, "pthread_sigmask"):  # signals are for the main thread, which may hold them back
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        on_terminal = self._stream.isatty()
        running: list[ProgressBar] | None = None
        while running is None or running:
            self._wake.wait(REDRAWN_SECONDS)
            self._wake.clear()
            running = self._running[-1:]  # what has ended by now is named for the last time
            self._name(on_terminal)
            if running and running[0].seconds >= SILENT_SECONDS:
                if on_terminal:
                    self._write(running[0].text(with_bar=True), on_terminal)
                else:
                    self._log(running[0])
            elif on_terminal:
                self._write("", on_terminal)

    def _name(self, on_terminal: bool) -> None:
        """Write the headings of what is done, and of what has run for two seconds."""
        while self._unnamed:
            bar = self._unnamed[0]
            if bar in self._running and bar.seconds < SILENT_SECONDS:
                break
            if bar.heading and (bar.done or bar in self._running):
                self._write(bar.heading, on_terminal, stays=True)
                self._logged = None, time.monotonic()
            self._unnamed.popleft()

    def _log(self, bar: ProgressBar) -> None:
        """Write a line about something where there was none for ten seconds; for two, about something else."""
        last, when = self._logged
        if time.monotonic() - when >= (LOGGED_SECONDS if last is bar else SILENT_SECONDS):
            self._logged = bar, time.monotonic()
            self._write(f"  {bar.text(with_bar=False)}", on_terminal=False, stays=True)

    def _write(self, text: str, on_terminal: bool, stays: bool = False) -> None:
        """Write a line over the last one that does not stay."""
        if on_terminal:
            text = text[: _width(self._stream) - 1]
            over, self._drawn = self._drawn, 0 if stays else len(text)
            if not (text or over):
                return
            text = f"\r{text:<{over}}\r{text}"
        try:
            self._stream.write(f"{text}\n" if stays else text)
            self._stream.flush()
        except (OSError, ValueError):  # the terminal is gone; that is no reason to end the run
            self._drawn = 0


_DISPLAY = Display()


class Steps:
    """The numbered steps of a run.

    Args:
        number: Of all steps.
        quiet: Whether to show nothing.
    """

    def __init__(self, number: int, quiet: bool = False) -> None:
        self._number = number
        self._quiet = quiet
        self._done = 0

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Name a step, and show that it goes on where nothing inside shows more; see `ProgressBar` for when."""
        self._done += 1
        display = None if self._quiet or not current().first else _DISPLAY
        with ProgressBar(None, what, "", display, heading=f"[{self._done}/{self._number}] {what}"):
            yield


def progress_bar(total: int | None, what: str, unit: str = "images", quiet: bool = False) -> ProgressBar:
    """Return a bar with rate and time left that shows itself after two seconds, on standard error.

    Of processes that share a run, only the first shows one.

    Args:
        total: Number of units to come; None where that is not known.
        what: Label in front of the bar.
        unit: Name of the units, in the plural.
        quiet: Whether to show nothing at all.
    """
    return ProgressBar(total, what, unit, None if quiet or not current().first else _DISPLAY)


def _width(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except OSError:
        return 80


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
