"""What a user keeps in a report, beside a cache or in a training's folder survives every command, killed or not."""

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from autola_analysis.core.cache import NAME
from autola_analysis.core.entries import RECORD
from autola_analysis.report.ownership import foreign_entries, written_files

from .commands import PATIENCE, Command, completed
from .conftest import EVERYTHING
from .studies import write_study
from .test_kills import COMMANDS, MACHINE, REPORT

KILLS = 12 if EVERYTHING else 2
MONTH = 31 * 86400
LONGEST = 1200.0
"""Seconds that a comparison, or the demo, may take on a busy machine."""
FOLDERS = ("", "figures", "tables", "arrays", "notes", "notes/deep", ".hidden")
WRITTEN = {
    **{name: [*killed.arguments, "--out", "out", "--overwrite"] for name, killed in COMMANDS.items()},
    "compare": ["compare", "--ckpt", "n.safetensors", *REPORT, "--out", "out", "--overwrite"],
    "demo": ["demo", *MACHINE, "--out", "out", "--overwrite"],
    "redraw": ["redraw", "out"],
}
FROM_CACHE = ("demo", "redraw")
"""Commands that are killed without a pass under way: the demo's takes minutes."""


def plant(folder: Path, generator: np.random.Generator, count: int = 6) -> set[bytes]:
    """Put files of random names and contents into a folder, and edit one of its files; return the contents."""
    contents = set()
    for _ in range(count):
        name, content = (generator.bytes(8).hex() for _ in range(2))
        path = folder / str(generator.choice(FOLDERS)) / f"{name}{generator.choice(['.png', '.csv', '.md', ''])}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        contents.add(content.encode())
    own = [folder / name for name in written_files(folder) or {} if not name.startswith(("tables/", "arrays/"))]
    own = [path for path in own if not path.read_bytes().startswith(b"edited ")]  # the user's since an earlier call
    if own:
        edited = own[int(generator.integers(len(own)))]
        edited.write_text(f"edited {generator.bytes(8).hex()}")
        contents.add(edited.read_bytes())
    return contents


def plant_in_cache(cache: Path) -> set[bytes]:
    """Put files that look unused for a month into the folders of a cache, alone, in a folder and in an entry."""
    contents = set()
    for folder in [path for path in sorted(cache.iterdir()) if path.is_dir()]:
        for place in (folder, folder / "notes", *list(folder.glob("*/"))[:1]):
            path = place / "mine.md"
            path.parent.mkdir(exist_ok=True)
            path.write_text(str(path))
            contents.add(path.read_bytes())
            old(path)
    return contents


def contents_below(folder: Path) -> set[bytes]:
    return {path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def old(path: Path) -> None:
    """Make a file and its folder look unused for a month."""
    then = time.time() - MONTH
    os.utime(path, (then, then))
    os.utime(path.parent, (then, then))


@pytest.mark.timeout(3600 if EVERYTHING else 600)
@pytest.mark.parametrize("name", list(WRITTEN) if EVERYTHING else ["selectivity", "redraw"])
def test_foreign_files_survive_a_command_that_is_killed_at_any_moment(name: str, tmp_path: Path) -> None:
    folder, generator = write_study(tmp_path / "work"), np.random.default_rng(len(name))
    beside_the_cache = folder / "cache" / "embeddings" / "mine.npy"
    beside_the_cache.parent.mkdir(parents=True)
    beside_the_cache.write_text("mine, and old")
    old(beside_the_cache)
    patience = LONGEST if name in ("compare", "demo") else PATIENCE
    completed(WRITTEN["selectivity" if name == "redraw" else name], folder, patience)
    seconds = completed(WRITTEN[name], folder, patience)
    planted = {b"mine, and old"} | plant_in_cache(folder / "cache" / NAME)
    kept = set(planted)
    for share in generator.uniform(0.2, 1.1, 3 if name == "demo" else KILLS):
        if (folder / "out").exists():
            planted |= plant(folder / "out", generator)
        if name not in FROM_CACHE:
            for record in (folder / "cache" / NAME).glob(f"*/*/{RECORD}"):
                record.unlink()  # else there is no pass to be killed in
        command = Command(WRITTEN[name], folder, patience=patience)
        time.sleep(share * seconds)
        command.send(signal.SIGKILL, to_all=False)
        command.status()
        assert planted <= contents_below(folder)
    again: Sequence[str] = WRITTEN["selectivity"] if name == "redraw" else WRITTEN[name]
    completed(again, folder, patience)  # also where the last kill left no report
    assert planted - kept <= contents_below(folder / "out")
    written = written_files(folder / "out")
    assert written
    foreign = set(foreign_entries(folder / "out", written))
    assert {path.read_bytes() for path in foreign if path.is_file()} == planted - kept
    assert not [path for path in foreign if ".partial-" in path.name]
    assert beside_the_cache.read_text() == "mine, and old"
    assert kept <= contents_below(folder / "cache")
