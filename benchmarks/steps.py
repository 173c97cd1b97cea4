"""Commands that need one another's files, run side by side, within a time."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 15.0
"""Seconds that a command has to end after SIGTERM."""
POLL = 0.05


@dataclass(frozen=True)
class Step:
    """A command and what it leaves.

    Attributes:
        name: Of its log.
        output: File or folder that is there when it is done; every command writes it whole or not at all.
        command: Program and arguments.
        needs: Names of steps whose output it reads.
    """

    name: str
    output: Path
    command: tuple[str, ...]
    needs: tuple[str, ...] = ()

    @property
    def done(self) -> bool:
        """Whether its output is there."""
        return self.output.exists()


@dataclass
class _Running:
    step: Step
    process: subprocess.Popen[bytes]
    started: float


def run(steps: Sequence[Step], folder: Path, jobs: int = 1, seconds: float | None = None) -> list[str]:
    """Run what is not done: the first of the steps that are ready, as many at once as asked.

    A step that fails holds up only those that need it. ``logs/NAME.log`` gets what a command prints, ``times.jsonl``
    how long it ran in this call.

    Args:
        steps: In the order in which they should begin.
        folder: For logs and times.
        jobs: Commands at once.
        seconds: After this time every command is ended by SIGTERM; None waits for all.

    Returns:
        Names of the steps that failed.
    """
    end = None if seconds is None else time.monotonic() + seconds
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    waiting = [step for step in steps if not step.done]
    running: list[_Running] = []
    failed: list[str] = []
    try:
        while waiting or running:
            done = {step.name for step in steps if step.done}
            ready = [step for step in waiting if done.issuperset(step.needs)]
            for step in ready[: jobs - len(running)]:
                waiting.remove(step)
                running.append(_Running(step, _start(step, folder), time.monotonic()))
            if not running or (end is not None and time.monotonic() >= end):
                break
            time.sleep(POLL)
            for each in [each for each in running if each.process.poll() is not None]:
                running.remove(each)
                _note(each, folder, jobs)
                if not each.step.done:
                    failed.append(each.step.name)
    finally:
        for each in running:
            each.process.terminate()
        for each in running:
            _wait(each.process)
            _note(each, folder, jobs)
    return failed


def last_line(folder: Path, name: str) -> str:
    """Return the last line that a step has printed."""
    return (_log(folder, name).read_text().splitlines() or ["it printed nothing"])[-1]


def _log(folder: Path, name: str) -> Path:
    return folder / "logs" / f"{name}.log"


def _start(step: Step, folder: Path) -> subprocess.Popen[bytes]:
    with _log(folder, step.name).open("a") as log:
        return subprocess.Popen(step.command, stdout=log, stderr=subprocess.STDOUT)


def _wait(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _note(each: _Running, folder: Path, jobs: int) -> None:
    row = {
        "step": each.step.name,
        "seconds": round(time.monotonic() - each.started, 1),
        "status": each.process.returncode,
        "done": each.step.done,
        "jobs": jobs,
    }
    with (folder / "times.jsonl").open("a") as times:
        times.write(json.dumps(row) + "\n")
