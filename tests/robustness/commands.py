"""Commands in processes of their own, to be interrupted, killed and starved."""

import hashlib
import json
import os
import resource
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.processes import become, context

PATIENCE = 60.0  # seconds, on a busy machine


class Command:
    """A command under way, in a session of its own.

    Args:
        arguments: What a user writes after ``autola-analyze``.
        folder: Working directory.
        environment: Variables beside this process's own.
        file_size: Bytes that it may write to any one file; beyond them, writing fails as on a full disk.
        log: Where it writes what it says; the folder's name and ".log" by default.
        patience: Seconds after which it is taken to hang.
    """

    def __init__(
        self,
        arguments: Sequence[object],
        folder: Path,
        environment: Mapping[str, str] | None = None,
        file_size: int | None = None,
        log: Path | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self.folder, self._patience = folder, patience
        self._log = log or folder.with_name(f"{folder.name}.log")
        texts = [str(argument) for argument in arguments]
        self._process = context.Process(
            target=_serve, args=(texts, str(folder), str(self._log), {**os.environ, **(environment or {})}, file_size)
        )
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def wait_until(self, sign: Callable[["Command"], bool]) -> None:
        """Wait for a sign that the command is under way."""
        _wait(lambda: sign(self) or not self._process.is_alive(), f"a sign of life; it said: {self.said()}")
        assert self._process.is_alive(), f"the command ended before that: {self.said()}"

    def send(self, number: int, *, to_all: bool = True) -> None:
        """Send a signal to the command's process group, as a terminal does, or to the command alone."""
        with suppress(ProcessLookupError):  # it may just have ended
            (os.killpg if to_all else os.kill)(self.pid, number)

    def status(self) -> int:
        """Return the exit status, minus a signal's number where one ended it, once all its processes have ended."""
        self._process.join(self._patience)
        assert self._process.exitcode is not None, f"the command hangs; it said: {self.said()}"
        _wait(lambda: not members(self.pid), "the end of all processes")
        return self._process.exitcode

    def said(self) -> str:
        """Return what it wrote to standard output and standard error."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""


def members(session: int) -> dict[int, str]:
    """Return the living processes of a session: number -> command line."""
    found = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            state, *rest = (folder / "stat").read_text().rpartition(") ")[2].split()
            if state != "Z" and int(rest[2]) == session:
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def completed(arguments: Sequence[object], folder: Path, patience: float = PATIENCE) -> float:
    """Run a command to its end and return the seconds it took."""
    start = time.monotonic()
    command = Command(arguments, folder, patience=patience)
    assert command.status() == 0, command.said()
    return time.monotonic() - start


def is_whole(report: Path) -> bool:
    """Return whether a report has its record and every file in it is as the record lists it."""
    if not (report / "run.json").exists():
        return False
    outputs = json.loads((report / "run.json").read_text())["outputs"]
    found = {
        str(path.relative_to(report)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in report.rglob("*")
        if path.is_file() and path.name != "run.json"
    }
    return bool(outputs) and found == outputs


def is_writing(command: Command) -> bool:
    """Return whether the temporary directory of a report is there: all is checked and the pass begins."""
    return any(command.folder.glob(".out.partial-*"))


def _wait(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"no {what}"
        time.sleep(0.01)


def _serve(arguments: list[str], folder: str, log: str, environment: Mapping[str, str], file_size: int | None) -> None:
    import sys

    from autola_analysis.cli.main import main

    os.setsid()
    become(folder, environment, log, log)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGHUP, signal.SIGQUIT):  # ignored where the tests run behind a terminal that may close
        signal.signal(number, signal.SIG_DFL)
    if file_size is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))
    sys.argv = ["autola-analyze", *arguments]
    main()
