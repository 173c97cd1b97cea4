import errno
import hashlib
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from autola_analysis.core import files
from autola_analysis.core.errors import OptionError
from autola_analysis.core.files import (
    clear_leftovers,
    new_directory,
    remove_listed,
    replacing,
    sha256_of,
    temporary_beside,
    with_home,
)


def test_sha256_is_that_of_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"weights" * 100_000)
    assert sha256_of(path) == hashlib.sha256(b"weights" * 100_000).hexdigest()


def test_replaced_file_has_the_permissions_of_an_ordinary_one(tmp_path: Path) -> None:
    ordinary = tmp_path / "ordinary"
    ordinary.write_text("x")
    with replacing(tmp_path / "replaced") as temporary:
        temporary.write_text("y")
    assert (tmp_path / "replaced").read_text() == "y"
    assert stat.S_IMODE((tmp_path / "replaced").stat().st_mode) == stat.S_IMODE(ordinary.stat().st_mode)


def test_a_new_directory_appears_whole_or_not_at_all_and_replaces_nothing(tmp_path: Path) -> None:
    place = tmp_path / "place"

    def write(content: str, error: Exception | None = None) -> None:
        with new_directory(place) as directory:
            (directory / "file").write_text(content)
            if error is not None:
                raise error

    with pytest.raises(RuntimeError, match="half way"):
        write("half", RuntimeError("half way"))
    assert list(tmp_path.iterdir()) == []
    write("one")
    with pytest.raises(OptionError, match=r"place exists already; choose another --out, or move it away\."):
        write("two")
    assert [path.name for path in tmp_path.iterdir()] == ["place"]
    assert (place / "file").read_text() == "one"


def test_of_a_folder_goes_what_a_list_names_inside_it(tmp_path: Path) -> None:
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    for path in (folder / "a" / "ours", folder / "b" / "ours", folder / "b" / "mine", outside / "ours"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    (folder / "link").symlink_to(outside)
    listed = ["a/ours", "b/ours", "not there", "link/ours", "../outside/ours", str(outside / "ours")]
    remove_listed(folder, listed)
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if not path.is_dir()) == [
        "folder/b/mine",
        "outside/ours",
    ]
    assert not (folder / "a").exists()
    assert (folder / "link").is_symlink()


HOLD = """
import sys, time
from pathlib import Path
from autola_analysis.core.files import new_directory, replacing
with {"file": replacing, "directory": new_directory}[sys.argv[2]](Path(sys.argv[1])) as temporary:
    print(temporary, flush=True)
    time.sleep(60)
"""


@contextmanager
def writer(path: Path, what: str) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Yield a process that writes a file or directory, and its temporary path."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, path, what], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process, Path(process.stdout.readline().rstrip("\n"))
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("what", ["file", "directory"])
def test_what_dead_processes_left_is_cleared_and_what_live_ones_write_is_not(what: str, tmp_path: Path) -> None:
    place = tmp_path / "place"
    others = [temporary_beside(tmp_path / "places"), tmp_path / ".place.partial-mine"]
    for path in others:
        path.mkdir()
    with writer(place, what) as (process, temporary):
        clear_leftovers(place)
        assert temporary.exists()  # whatever its host and number are called, it lives
        process.kill()
        process.wait()
        clear_leftovers(place)
        assert not temporary.exists()
    assert all(path.exists() for path in others)
    assert set(tmp_path.iterdir()) == set(others)


def test_a_temporary_path_that_another_process_removed_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, removed = files.in_use, []

    @contextmanager
    def late(path: Path) -> Iterator[bool]:
        if not removed:
            removed.append(path)
            path.unlink()
        with original(path) as mine:
            yield mine

    monkeypatch.setattr(files, "in_use", late)
    with replacing(tmp_path / "place") as temporary:
        assert temporary not in removed
        temporary.write_text("whole")
    assert (tmp_path / "place").read_text() == "whole"


def test_without_locks_nothing_is_taken_for_dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("autola_analysis.core.locks.fcntl.flock", unsupported)
    left = temporary_beside(tmp_path / "place")
    left.mkdir()
    with replacing(tmp_path / "place") as temporary:
        temporary.write_text("whole")
    assert left.exists()
    assert (tmp_path / "place").read_text() == "whole"


def test_a_library_that_asks_for_a_home_is_answered_where_the_user_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(_: int) -> None:
        raise KeyError("uid not found")

    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", nobody)
    with with_home():
        assert Path.home() == Path(tempfile.gettempdir())
    with pytest.raises(RuntimeError):
        Path.home()
    monkeypatch.setenv("HOME", "/known")
    with with_home():
        assert Path.home() == Path("/known")
    assert Path.home() == Path("/known")
