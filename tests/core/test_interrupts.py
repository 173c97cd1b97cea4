import os
import shutil
import signal
import threading
from pathlib import Path

import pytest

from autola_analysis.core.files import replacing, replacing_directory
from autola_analysis.core.interrupts import ENDING, uninterrupted
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


@pytest.mark.parametrize("write", [report_directory, replacing_directory, replacing])
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
