"""What a user keeps beside a training or a search, and in its folder of states, survives it, killed or not."""

import signal
import time
from pathlib import Path

import numpy as np
import pytest

from tests.data.conftest import write_image

from .commands import Command, completed
from .conftest import EVERYTHING
from .test_foreign_files import contents_below

KILLS = 12 if EVERYTHING else 2
SMALL = ["--set", "epochs=2", "--set", "batch_size=8", "--set", "normalize=none", "--set", "width=4"]
SETTINGS = ["cluttered-digits", "--data", "folder:images", *SMALL, "--device", "cpu", "--quiet", "--out"]
OUTS = {"train": ("net.safetensors", "net.safetensors.training"), "search": ("found", "found.search")}
"""What each command writes, and where its unfinished state lies."""


def plant(folder: Path, generator: np.random.Generator) -> set[bytes]:
    """Put two files of random names and contents into a folder, one of them into a folder of its own."""
    contents = [generator.bytes(8).hex() for _ in range(2)]
    for place, content in zip((".", "notes"), contents, strict=True):
        path = folder / place / f"{generator.bytes(8).hex()}{generator.choice(['.md', '.ckpt', ''])}"
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    return {content.encode() for content in contents}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", list(OUTS) if EVERYTHING else ["train"])
def test_foreign_files_survive_a_training_or_a_search_that_is_killed_at_any_moment(name: str, tmp_path: Path) -> None:
    out, state = OUTS[name]
    arguments = [name, *SETTINGS, out]
    folder, generator = tmp_path / "work", np.random.default_rng(0)
    for split in ("train", "test"):
        for number in range(16):
            write_image(folder / "images" / split / "ab"[number % 2] / f"{number}.png", (9 * number, 80, 3), (32, 32))
    completed(["list", "recipes"], folder)  # starts what commands are forked from
    seconds = completed([*arguments[:-1], "whole"], folder)
    planted = plant(folder, generator)
    for share in generator.uniform(0.2, 1.0, KILLS):
        command = Command(arguments, folder)
        time.sleep(share * seconds)
        command.send(signal.SIGKILL, to_all=False)
        command.status()
        if (folder / state).exists():
            planted |= plant(folder / state, generator)
        assert planted <= contents_below(folder)
    command = Command(arguments, folder)
    assert command.status() in (0, 2), command.said()  # 2: a kill came after the end, and what was written is kept
    assert planted <= contents_below(folder), command.said()
    assert "Traceback" not in command.said()
