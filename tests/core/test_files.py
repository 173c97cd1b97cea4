import hashlib
import os
import re
import socket
import stat
import time
from pathlib import Path

import pytest

from autola_analysis.core.files import forget_unused, replacing, replacing_directory, sha256_of


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
    host = re.sub("[^A-Za-z0-9]", "", socket.gethostname())
    dead = tmp_path / f".place.partial-{host}-ab-99999999"
    live = tmp_path / f".place.partial-{host}-ab-{os.getpid()}"
    other = tmp_path / f".places.partial-{host}-ab-99999999"
    elsewhere = tmp_path / ".place.partial-anotherhost-ab-99999999"
    for path in (dead, live, other, elsewhere):
        path.mkdir()
    with replacing_directory(tmp_path / "place"):
        assert not dead.exists()
    assert live.exists()
    assert other.exists()
    assert elsewhere.exists()


def test_what_a_cache_has_not_used_for_a_month_is_forgotten(tmp_path: Path) -> None:
    host = re.sub("[^A-Za-z0-9]", "", socket.gethostname())
    names = ["used", "unused", "file", ".half.ab.tmp", f".dead.partial-{host}-ab-99999999"]
    for name in names:
        if name in ("file", ".half.ab.tmp"):
            (tmp_path / name).write_text("x")
        else:
            (tmp_path / name).mkdir()
    month = time.time() - 31 * 86400
    for name in ("unused", "file", ".half.ab.tmp"):
        os.utime(tmp_path / name, (month, month))
    forget_unused(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["used"]
    forget_unused(tmp_path / "not there")
