"""Two processes that train into one folder."""

import errno
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from autola_analysis.core import locks
from autola_analysis.core.errors import OptionError, TrainingError
from autola_analysis.training.lock import locked_folder
from autola_analysis.training.trainer import run_training
from tests.training.conftest import QUIET, short

HOLD = """
import os, sys, time
from pathlib import Path
from autola_analysis.training.lock import locked_folder
with locked_folder(Path(sys.argv[1])):
    child = os.fork() if len(sys.argv) > 2 else -1  # as processes that decode images are
    if child:
        print(child, flush=True)
    time.sleep(60)
"""


@contextmanager
def holder(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Yield a process that holds a folder, and the first line that it prints."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, folder, *arguments], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline()
    finally:
        process.kill()
        process.communicate()


@pytest.mark.usefixtures("few_images")
def test_a_second_process_is_refused_by_name_and_changes_nothing(tmp_path: Path) -> None:
    out, folder = tmp_path / "se.safetensors", tmp_path / "se.safetensors.training"
    with holder(folder) as (process, _):
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        with pytest.raises(TrainingError) as caught:
            run_training(short(), out, QUIET)
        assert str(caught.value) == (
            f"process {process.pid} on {socket.gethostname()} is training into {folder} already; wait until it has "
            "ended, end it, or choose another --out."
        )
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    run_training(short(epochs="1"), out, QUIET)
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def test_a_killed_process_lets_go_though_its_children_live_on(tmp_path: Path) -> None:
    folder = tmp_path / "x.training"
    with holder(folder, "with a child") as (process, child):
        process.send_signal(signal.SIGKILL)
        process.wait()
        try:
            os.kill(int(child), 0)
            with locked_folder(folder):
                assert (folder / "lock").read_text() == f"process {os.getpid()} on {socket.gethostname()}\n"
        finally:
            os.kill(int(child), signal.SIGKILL)


def test_the_folder_is_free_after_an_error_and_without_a_trace(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt), locked_folder(tmp_path / "x"):
            raise KeyboardInterrupt
    assert list((tmp_path / "x").iterdir()) == []


def test_a_lock_whose_file_was_removed_meanwhile_is_taken_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, removed = locks._opened, []

    def slow(path: Path, *arguments: object) -> object:
        file = original(path, *arguments)
        if not removed:
            path.unlink()
            removed.append(path)
        return file

    monkeypatch.setattr(locks, "_opened", slow)
    with locked_folder(tmp_path):
        assert (tmp_path / "lock").read_text().startswith(f"process {os.getpid()} on ")


def test_a_file_system_without_locks_trains_without_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(file: object, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks.fcntl, "lockf", unsupported)
    with locked_folder(tmp_path):
        assert (tmp_path / "lock").exists()


@pytest.mark.usefixtures("few_images")
def test_what_another_process_has_just_written_is_not_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "se.safetensors"

    @contextmanager
    def waited(folder: Path) -> Iterator[None]:
        out.write_text("theirs")
        with locked_folder(folder):
            yield

    monkeypatch.setattr("autola_analysis.training.trainer.locked_folder", waited)
    with pytest.raises(OptionError, match="exists already"):
        run_training(short(), out, QUIET)
    assert out.read_text() == "theirs"
