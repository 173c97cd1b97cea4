"""A disk that is full: one sentence, status 2, nothing half-written, and what was there before as it was."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from autola_analysis.analyses.registry import registrations
from autola_analysis.backbones import ModelSpec
from autola_analysis.checkpoints import save_model
from autola_analysis.data import Preprocessing

from .commands import Command
from .conftest import EVERYTHING

REPORT = [
    "--ckpt",
    "../m.safetensors",
    "--data",
    "cluttered-digits",
    "--limit",
    "40",
    "--device",
    "cpu",
    "--out",
    "out",
]
COMMANDS = {
    **{each.command_name: [each.command_name, *REPORT] for each in registrations().values()},
    "embed": ["embed", *REPORT, "--cache", "cache", "--method", "pca"],
    "train": [
        "train",
        "cluttered-digits",
        "--set",
        "width=4",
        "--set",
        "epochs=1",
        "--quiet",
        "--out",
        "net.safetensors",
    ],
}
SIZES = [1_000, 8_000, 20_000]
"""Bytes that one file may have: of tables, records, features, figures, each in another command the first to fail."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working directory with an earlier report, beside a checkpoint."""
    spec = ModelSpec("resnet20", "se", 10, {"width": 4})
    save_model(tmp_path / "m.safetensors", spec.build(), spec, preprocessing=Preprocessing())
    return with_report(tmp_path / "work")


def with_report(folder: Path) -> Path:
    (folder / "out").mkdir(parents=True)
    (folder / "out" / "run.json").write_text("{}")
    return folder


def check_as_before(folder: Path) -> None:
    assert (folder / "out" / "run.json").read_text() == "{}"
    assert [path for path in folder.rglob("*") if ".partial-" in path.name or path.suffix == ".tmp"] == []
    assert {path.name for path in folder.iterdir()} <= {"out", "cache", "net.safetensors.training"}
    entries = [path for path in folder.glob("cache/*/*/*") if path.is_dir()]
    assert all((entry / "entry.json").exists() for entry in entries), entries


def check_sentence(said: str) -> None:
    lines = [line for line in said.splitlines() if "autola-analyze: " in line]
    assert len(lines) == 1
    assert "Traceback" not in said
    assert lines[0].endswith(".")


@pytest.mark.parametrize("size", SIZES if EVERYTHING else [1_000])
@pytest.mark.parametrize("name", list(COMMANDS) if EVERYTHING else ["selectivity", "embed"])
def test_files_that_cannot_grow_end_a_command_in_one_sentence(name: str, size: int, folder: Path) -> None:
    overwrite = [] if name == "train" else ["--overwrite"]
    command = Command([*COMMANDS[name], *overwrite], folder, file_size=size)
    assert command.status() == 2, command.said()
    check_sentence(command.said())
    check_as_before(folder)


@pytest.fixture
def full(folder: Path) -> Iterator[Path]:
    """A disk of one megabyte with an earlier report."""
    disk = folder.with_name("disk")
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip("this user cannot mount a disk")
    try:
        yield with_report(disk / "work")
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("left", [0, 4096, 40_960] if EVERYTHING else [40_960])
@pytest.mark.parametrize("name", list(COMMANDS) if EVERYTHING else ["selectivity", "embed"])
def test_a_full_disk_ends_a_command_in_one_sentence(name: str, left: int, full: Path) -> None:
    save_model_to(full.parent)
    fill(full.parent / "others", left)
    overwrite = [] if name == "train" else ["--overwrite"]
    command = Command([*COMMANDS[name], *overwrite], full, log=full.parent.with_name("disk.log"))
    assert command.status() == 2, command.said()
    check_sentence(command.said())
    check_as_before(full)


def save_model_to(folder: Path) -> None:
    spec = ModelSpec("resnet20", "se", 10, {"width": 4})
    save_model(folder / "m.safetensors", spec.build(), spec, preprocessing=Preprocessing())


def fill(path: Path, left: int) -> None:
    """Write a file until the disk has only so many bytes left."""
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            file.truncate(max(0, file.tell() - left))
