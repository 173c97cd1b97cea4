"""Steps are named while they run, on a terminal in one line that moves, in a log file in lines of their own."""

import io
import os
import pty
import re
import threading
import time
from collections.abc import Callable, Iterator
from select import select

import pytest

from autola_analysis.core import progress
from autola_analysis.core.progress import Display, ProgressBar, Steps, progress_bar


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let two seconds be twenty milliseconds."""
    monkeypatch.setattr(progress, "SILENT_SECONDS", 0.02)
    monkeypatch.setattr(progress, "REDRAWN_SECONDS", 0.005)
    monkeypatch.setattr(progress, "LOGGED_SECONDS", 0.1)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """Show progress in a log file; returns what stands there."""
    stream = io.StringIO()
    monkeypatch.setattr(progress, "_DISPLAY", Display(stream))
    return stream.getvalue


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """Show progress on a terminal; returns what was written there."""
    monkeypatch.setattr(progress, "REDRAWN_SECONDS", 0.02)  # what nobody reads in the meantime has to fit its buffer
    reading, writing = pty.openpty()
    with os.fdopen(writing, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(progress, "_DISPLAY", Display(stream))

        def written() -> str:
            text = b""
            while select([reading], [], [], 0)[0]:
                text += os.read(reading, 4096)
            return text.decode()

        yield written
    os.close(reading)


def test_a_log_has_a_line_per_step_and_none_is_drawn_over(log: Callable[[], str]) -> None:
    steps = Steps(3)
    for what in ("checkpoints", "passes", "page"):
        with steps.step(what):
            pass
    assert log().splitlines() == ["[1/3] checkpoints", "[2/3] passes", "[3/3] page"]
    assert "\r" not in log()


def test_what_takes_long_is_in_the_log_after_two_seconds_and_then_every_ten(log: Callable[[], str]) -> None:
    with Steps(1).step("passes"), progress_bar(200, "images") as bar:
        for _ in range(25):
            bar.update()
            time.sleep(0.01)
    first, *others = log().splitlines()
    assert first == "[1/1] passes"
    assert 2 <= len(others) <= 4
    assert all(re.fullmatch(r"  images \d+ %, \d+ of 200 images, \d+/s, \d+ s left", line) for line in others)


def test_a_step_that_counts_nothing_shows_that_it_goes_on(log: Callable[[], str]) -> None:
    with Steps(1).step("comparison"):
        time.sleep(0.06)
    assert log().splitlines() == ["[1/1] comparison", "  comparison, 0 s"]


def test_a_step_that_fails_at_once_is_not_named_and_one_that_fails_late_is(log: Callable[[], str]) -> None:
    steps = Steps(2)

    def fails_after(seconds: float) -> None:
        with steps.step("images"):
            time.sleep(seconds)
            raise ValueError("no images")

    for seconds in (0.0, 0.06):
        with pytest.raises(ValueError, match="no images"):
            fails_after(seconds)
    assert log().splitlines()[0] == "[2/2] images"


def test_what_is_short_is_not_shown(log: Callable[[], str]) -> None:
    with progress_bar(2, "images") as bar:
        bar.update(2)
    assert log() == ""


def test_a_terminal_shows_the_step_and_one_line_that_is_taken_away(terminal: Callable[[], str]) -> None:
    with Steps(1).step("passes"), progress_bar(200, "images") as bar:
        bar.update(50)
        time.sleep(0.08)
    written = terminal()
    assert "[1/1] passes\r\n" in written
    assert "images [#####...............] 25 %, 50 of 200 images" in written
    assert written.count("\n") == 1
    assert written.endswith("\r")
    longest = max(map(len, re.split("[\r\n]", written)))
    assert longest < 80
    assert re.split("[\r\n]", written)[-2:] == [" " * len(re.split("[\r\n]", written)[-2]), ""]


def test_nothing_is_shown_where_that_is_asked_for(log: Callable[[], str]) -> None:
    with Steps(1, quiet=True).step("passes"), progress_bar(2, "images", quiet=True):
        time.sleep(0.05)
    assert log() == ""


def test_the_thread_ends_with_what_it_shows_also_after_an_error(log: Callable[[], str]) -> None:
    def shown() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name == "progress"]

    def fails() -> None:
        with Steps(2).step("passes"):
            assert len(shown()) == 1
            raise ValueError("no images")

    with pytest.raises(ValueError, match="no images"):
        fails()
    assert shown() == []
    with Steps(2).step("page"):
        pass
    assert log().splitlines() == ["[1/2] page"]


@pytest.mark.parametrize(
    ("done", "seconds", "text"),
    [
        (0, 7.0, "images, 7 s"),
        (30, 10.0, "images 30 %, 30 of 100 images, 3/s, 23 s left"),
        (1, 100.0, "images 1 %, 1 of 100 images, 165 min left"),
        (120, 10.0, "images 100 %, 120 of 100 images, 12/s, 0 s left"),
    ],
)
def test_rate_and_time_left_follow_from_what_is_done(
    monkeypatch: pytest.MonkeyPatch, done: int, seconds: float, text: str
) -> None:
    monkeypatch.setattr(ProgressBar, "seconds", seconds)
    bar = ProgressBar(100, "images", "images", None)
    bar.update(done)
    assert bar.text(with_bar=False) == text
