"""Commands killed at any moment: never half a report, and the same command afterwards gives the same tables."""

import hashlib
import json
import shutil
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from autola_analysis.analyses.registry import registrations

from .commands import Command, completed, is_whole
from .conftest import EVERYTHING
from .studies import write_study

KILLS = 20 if EVERYTHING else 3
MACHINE = ["--device", "cpu", "--cache", "cache", "--quiet"]
REPORT = ["--ckpt", "m.safetensors", "--data", "cluttered-digits", "--limit", "60", *MACHINE]


@dataclass(frozen=True)
class Killed:
    """A command to kill; it writes a report to ``out`` and takes ``--overwrite``.

    Attributes:
        arguments: Of the command, ``--out`` and ``--overwrite`` apart.
        tables: Patterns of the files that must come out the same, to the last bit.
    """

    arguments: Sequence[str]
    tables: Sequence[str] = ("tables/*.csv",)


COMMANDS = {
    **{each.command_name: Killed([each.command_name, *REPORT]) for each in registrations().values()},
    "embed": Killed(["embed", *REPORT, "--method", "pca"]),
    "study": Killed(["study", "study.toml", *MACHINE]),
}


@pytest.mark.timeout(3600 if EVERYTHING else 600)
@pytest.mark.parametrize("name", list(COMMANDS) if EVERYTHING else ["study"])
def test_a_killed_command_completes_when_it_is_started_again(name: str, tmp_path: Path) -> None:
    check_kills(COMMANDS[name], tmp_path, KILLS, 1 if EVERYTHING else 2)


def check_kills(killed: Killed, tmp_path: Path, kills: int, every: int = 1) -> None:
    """Kill a command at random moments, and every so-many-th time start it again and let it end.

    Raises:
        AssertionError: If half a report is ever seen, other tables come out, or a temporary file stays.
    """
    folder = write_study(tmp_path / "work")
    arguments = [*killed.arguments, "--out", "out", "--overwrite"]
    seconds = completed(arguments, folder)
    expected = tables_of(folder, killed.tables)
    assert expected
    for number, share in enumerate(np.random.default_rng(0).uniform(0, 1.1, kills)):
        if number % 3 == 1 and (folder / "out").exists():
            (folder / "out").rename(folder.with_name(f"earlier{number}"))
        if number % 3 != 2:
            shutil.rmtree(folder / "cache", ignore_errors=True)  # else there is no pass to be killed in
        command = Command(arguments, folder)
        time.sleep(share * seconds)
        command.send(signal.SIGKILL, to_all=False)
        assert command.status() in (0, -signal.SIGKILL)
        assert not (folder / "out").exists() or is_whole(folder / "out")
        if number % every:
            continue
        completed(arguments, folder)
        assert is_whole(folder / "out")
        assert tables_of(folder, killed.tables) == expected
        assert [path.name for path in folder.rglob("*") if ".partial-" in path.name or path.suffix == ".tmp"] == []


def tables_of(folder: Path, patterns: Sequence[str]) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for pattern in patterns for path in sorted((folder / "out").glob(pattern))}


def test_half_a_report_is_told_from_a_whole_one(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1")
    assert not is_whole(tmp_path)
    (tmp_path / "run.json").write_text(json.dumps({"outputs": {"a.csv": hashlib.sha256(b"1").hexdigest()}}))
    assert is_whole(tmp_path)
    (tmp_path / "b.csv").write_text("2")
    assert not is_whole(tmp_path)
    (tmp_path / "b.csv").unlink()
    (tmp_path / "a.csv").write_text("2")
    assert not is_whole(tmp_path)
