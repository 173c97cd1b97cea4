import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from autola_analysis.core import interrupts
from autola_analysis.core.files import new_directory, replacing
from autola_analysis.core.interrupts import ENDING, held_until_repeated, uninterrupted
from autola_analysis.report.directory import report_directory


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_waits_for_the_end_of_the_context(number: int) -> None:
    came: list[str] = []
    before = signal.signal(number, lambda *_: came.append("signal"))
    try:
        with uninterrupted():
            os.kill(os.getpid(), number)
            os.kill(os.getpid(), number)
            came.append("end")
        assert came == ["end", "signal"]
        os.kill(os.getpid(), number)
        assert came == ["end", "signal", "signal"]
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_that_is_repeated_ends_the_context_at_once(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    came: list[str] = []
    before = signal.signal(number, lambda *_: came.append("signal"))

    def wait() -> None:
        with held_until_repeated():
            os.kill(os.getpid(), number)
            os.kill(os.getpid(), number)  # the same keystroke
            came.append("held")
            monkeypatch.setattr(interrupts, "IMPATIENCE", 0.0)
            os.kill(os.getpid(), number)
            came.append("not reached")

    try:
        with held_until_repeated():
            os.kill(os.getpid(), number)
            came.append("end")
        assert came == ["end", "signal"]
        with pytest.raises(KeyboardInterrupt):
            wait()
        assert came == ["end", "signal", "held"]
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("context", [uninterrupted, held_until_repeated])
def test_an_ignored_signal_stays_ignored(context: Callable[[], AbstractContextManager[None]]) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with context():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_interrupt_is_delivered_also_after_an_error() -> None:
    def fail() -> None:
        with uninterrupted():
            os.kill(os.getpid(), signal.SIGINT)
            raise ValueError("meanwhile")

    with pytest.raises(KeyboardInterrupt):
        fail()


def test_threads_are_left_alone() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def inside() -> None:
        with uninterrupted():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert seen == [before]


@pytest.mark.parametrize("write", [report_directory, new_directory, replacing])
def test_a_second_interrupt_during_the_cleaning_up_leaves_nothing_either(
    write: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object, **options: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        removing(*arguments, **options)

    place, name = (Path, "unlink") if write is replacing else (shutil, "rmtree")
    removing = getattr(place, name)

    def run() -> None:
        with write(tmp_path / "out") as temporary:  # type: ignore[operator]
            if write is replacing:
                temporary.write_text("half")
            else:
                (temporary / "file").write_text("half")
            monkeypatch.setattr(place, name, interrupted)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []


DELETED = """
import os, signal, sys, time
from autola_analysis.core.interrupts import end_on_signals

class Slow:
    def __del__(self):
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGINT)

end_on_signals()
slow = Slow()
try:
    del slow
    time.sleep(10)
except KeyboardInterrupt:
    sys.exit(7)
"""


def test_an_interrupt_that_comes_while_an_object_is_deleted_is_not_lost() -> None:
    process = subprocess.run([sys.executable, "-c", DELETED], stderr=subprocess.PIPE, text=True, check=False)
    assert (process.returncode, process.stderr) == (7, "")


SWALLOWED = """
import os, signal, sys
from autola_analysis.core.interrupts import end_on_signals
from autola_analysis.core.progress import progress_bar

end_on_signals()
with progress_bar(9, "steps", quiet=QUIET) as bar:
    bar.update()
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    except BaseException:
        pass
    try:
        bar.update()
    except KeyboardInterrupt:
        sys.exit(7)
"""


@pytest.mark.parametrize("quiet", [True, False])
def test_an_interrupt_that_a_library_swallowed_comes_again_at_the_next_step(quiet: bool) -> None:
    code = SWALLOWED.replace("QUIET", str(quiet))
    process = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, check=False)
    assert process.returncode == 7, process.stderr


def test_other_errors_while_an_object_is_deleted_are_shown_as_ever() -> None:
    code = DELETED.replace("os.kill(os.getpid(), signal.SIGINT)", "raise ValueError('gone')").replace(
        "sleep(10)", "time()"
    )
    process = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, check=False)
    assert process.returncode == 0
    assert "ValueError: gone" in process.stderr


@pytest.mark.parametrize("before", ["SIG_IGN", "default_int_handler"])
def test_an_interrupt_while_modules_load_shows_no_traceback(before: str) -> None:
    code = (
        "import os, signal\nfrom autola_analysis.core.interrupts import end_quietly\n"
        f"signal.signal(signal.SIGINT, signal.{before})\nend_quietly()\nos.kill(os.getpid(), signal.SIGINT)\n"
    )
    process = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, check=False)
    assert process.stderr == ""
    assert process.returncode == (0 if before == "SIG_IGN" else -signal.SIGINT)
