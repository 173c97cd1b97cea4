"""Ctrl-C and SIGTERM during every command: status 130, no process and nothing half-written is left."""

import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from autola_analysis.analyses.registry import registrations
from autola_analysis.cli.main import command_table

from .commands import Command, completed, is_whole, is_writing, members
from .conftest import EVERYTHING
from .studies import write_study

Sign = Callable[[Command], bool]
TRAINING = ["train", "cluttered-digits", "--set", "width=4", "--out", "net.safetensors"]
MACHINE = ["--device", "cpu", "--cache", "cache"]
IMAGES = ["--ckpt", "m.safetensors", "--data", "cluttered-digits", *MACHINE]
REPORT = [*IMAGES, "--out", "out"]
OLD = [*IMAGES, "--limit", "20", "--quiet", "--out", "old"]


def decodes_in_processes(command: Command) -> bool:
    return is_writing(command) and len(members(command.pid)) >= 3


def optimises(command: Command) -> bool:
    return sum("embedding.worker" in line for line in members(command.pid).values()) >= 2


def trains(command: Command) -> bool:
    return (command.folder / "net.safetensors.training").exists()


def searches(command: Command) -> bool:
    return (command.folder / "found.search").exists()


def trains_with_processes(command: Command) -> bool:
    return len(members(command.pid)) >= 3


def redraws(command: Command) -> bool:
    return any(command.folder.glob(".old.partial-*"))


def exports(command: Command) -> bool:
    return any(command.folder.glob(".scenes.partial-*/images"))


def reads_the_file(command: Command) -> bool:
    try:
        return any(fd.readlink().name == "huge.pth" for fd in Path(f"/proc/{command.pid}/fd").iterdir())
    except FileNotFoundError:
        return False


COMMANDS: dict[str, tuple[list[str], Sign]] = {
    **{each.command_name: ([each.command_name, *REPORT], is_writing) for each in registrations().values()},
    "selectivity, 2 workers": (["selectivity", *REPORT, "--workers", "2"], decodes_in_processes),
    "saliency": (["saliency", *REPORT, "--limit", "1000"], is_writing),
    "embed, 2 processes": (
        ["embed", *REPORT, "--limit", "300", "--seeds", "2", "--processes", "2"],
        optimises,
    ),
    "study": (["study", "study.toml", *MACHINE, "--out", "out"], is_writing),
    "compare": (["compare", "--ckpt", "m.safetensors", "--ckpt", "n.safetensors", *REPORT[2:]], is_writing),
    "redraw": (["redraw", "old"], redraws),
    "demo": (["demo", *MACHINE, "--out", "out"], is_writing),
    "train": (TRAINING, trains),
    "train, 2 workers": ([*TRAINING, "--workers", "2"], trains_with_processes),
    "search": (["search", "cluttered-digits", "--set", "width=8", "--out", "found"], searches),
    "data export": (["data", "export", "cluttered-scenes", "--out", "scenes"], exports),
    "inspect": (["inspect", "huge.pth"], reads_the_file),
    "layers": (["layers", "--ckpt", "huge.pth"], reads_the_file),
}
QUICK = {"list"}
"""Commands that are over before they can be interrupted."""
SAMPLE = ["selectivity, 2 workers", "embed, 2 processes", "train", "data export", "inspect"]
SHORT = {"redraw": 0.2, "study": 0.3}
"""Seconds in which a command is sure to be under way still."""
STAY = {"net.safetensors.training", "found.search", "cache", "features", "neighbours"}
"""What an interrupted run keeps on purpose: the last epoch, whole entries of a cache."""


def test_every_command_is_interrupted() -> None:
    assert {arguments[0] for arguments, _ in COMMANDS.values()} == set(command_table()) - QUICK


@pytest.fixture(scope="session")
def old_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report to draw again."""
    folder = write_study(tmp_path_factory.mktemp("old") / "work")
    completed(["selectivity", *OLD], folder)
    return folder / "old"


@pytest.fixture
def folder(tmp_path: Path, old_report: Path) -> Path:
    """A working directory with a study, an earlier report, and a checkpoint that takes minutes to read and no disk."""
    folder = write_study(tmp_path / "work")
    shutil.copytree(old_report, folder / "old")
    with (folder / "huge.pth").open("wb") as file:
        file.write(b"\x80\x02")
        file.truncate(10**12)
    return folder


def check_nothing_half_written(folder: Path, before: set[Path]) -> None:
    new = set(folder.rglob("*")) - before
    assert is_whole(folder / "old")
    assert [path for path in new if ".partial-" in path.name or path.suffix == ".tmp"] == []
    assert {path.name for path in folder.iterdir() if path in new} <= STAY


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
@pytest.mark.parametrize("delay", [0.0, 0.3, 1.0] if EVERYTHING else [0.1])
@pytest.mark.parametrize("name", list(COMMANDS) if EVERYTHING else SAMPLE)
def test_an_ended_command_leaves_nothing(name: str, delay: float, number: int, folder: Path) -> None:
    before = set(folder.rglob("*"))
    arguments, sign = COMMANDS[name]
    command = Command(arguments, folder)
    command.wait_until(sign)
    time.sleep(min(delay, SHORT.get(name, delay)))
    command.send(number)
    assert command.status() == 130, command.said()
    assert "Traceback" not in command.said(), command.said()
    assert command.said().endswith("autola-analyze: interrupted; nothing was left half-written.\n")
    check_nothing_half_written(folder, before)


OTHERS = [signal.SIGHUP, signal.SIGUSR1, signal.SIGQUIT, signal.SIGUSR2]
"""Of a terminal that is closed, of a scheduler that warns, of Ctrl-\\."""


@pytest.mark.parametrize("number", OTHERS if EVERYTHING else OTHERS[:1], ids=lambda number: number.name)
@pytest.mark.parametrize("name", SAMPLE if EVERYTHING else ["selectivity, 2 workers"])
def test_other_signals_end_a_command_too(name: str, number: int, folder: Path) -> None:
    before = set(folder.rglob("*"))
    arguments, sign = COMMANDS[name]
    command = Command(arguments, folder)
    command.wait_until(sign)
    command.send(number)
    assert command.status() == 130, command.said()
    assert command.said().endswith("autola-analyze: interrupted; nothing was left half-written.\n")
    check_nothing_half_written(folder, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
@pytest.mark.parametrize("name", ["selectivity, 2 workers", "embed, 2 processes"])
def test_processes_end_with_the_command_that_started_them(name: str, number: int, folder: Path) -> None:
    arguments, sign = COMMANDS[name]
    command = Command(arguments, folder)
    command.wait_until(sign)
    command.send(number, to_all=False)
    assert command.status() == (130 if number == signal.SIGTERM else -signal.SIGKILL)


@pytest.mark.parametrize("pause", [0.0, 0.002, 0.02, 0.1, 1.1] if EVERYTHING else [0.01])
@pytest.mark.parametrize("name", list(COMMANDS) if EVERYTHING else ["selectivity, 2 workers"])
def test_impatience_leaves_nothing_either(name: str, pause: float, folder: Path) -> None:
    before = set(folder.rglob("*"))
    arguments, sign = COMMANDS[name]
    command = Command(arguments, folder)
    command.wait_until(sign)
    for _ in range(3):
        command.send(signal.SIGINT)
        time.sleep(pause)
    assert command.status() == 130, command.said()
    check_nothing_half_written(folder, before)
