import hashlib
import os
import stat
import time
from pathlib import Path

import pytest

from autola_analysis.core.files import (
    forget_unused,
    replacing,
    replacing_directory,
    sha256_of,
    temporary_beside,
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


def test_a_directory_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    place = tmp_path / "place"
    for content in ("one", "two"):
        with replacing_directory(place) as directory:
            (directory / "file").write_text(content)
        assert [path.name for path in tmp_path.iterdir()] == ["place"]
        assert (place / "file").read_text() == content

    def break_half_way() -> None:
        with replacing_directory(place) as directory:
            (directory / "file").write_text("three")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        break_half_way()
    assert [path.name for path in tmp_path.iterdir()] == ["place"]
    assert (place / "file").read_text() == "two"


def test_what_dead_processes_left_is_cleared_and_what_live_ones_write_is_not(tmp_path: Path) -> None:
    own, other = temporary_beside(tmp_path / "place").name, temporary_beside(tmp_path / "places").name
    dead = tmp_path / own.replace(f"-{os.getpid()}", "-99999999")
    elsewhere = tmp_path / own.replace("partial-", "partial-otherhost").replace(f"-{os.getpid()}", "-99999999")
    others = tmp_path / other.replace(f"-{os.getpid()}", "-99999999")
    kept = [tmp_path / own, elsewhere, others]
    for replace, make in ((replacing_directory, Path.mkdir), (replacing, Path.touch)):
        for path in (dead, *kept):
            make(path)
        with replace(tmp_path / "place") as temporary:
            assert not dead.exists()
            if not temporary.exists():
                temporary.touch()
        for path in kept:
            assert path.exists()
            path.rmdir() if path.is_dir() else path.unlink()
        (tmp_path / "place").rmdir() if (tmp_path / "place").is_dir() else None


def test_what_a_cache_has_not_used_for_a_month_is_forgotten(tmp_path: Path) -> None:
    dead = temporary_beside(tmp_path / "dead").name.replace(f"-{os.getpid()}", "-99999999")
    for name in ("used", "unused", dead):
        (tmp_path / name).mkdir()
    (tmp_path / "file").write_text("x")
    month = time.time() - 31 * 86400
    for name in ("unused", "file"):
        os.utime(tmp_path / name, (month, month))
    forget_unused(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["used"]
    forget_unused(tmp_path / "not there")
