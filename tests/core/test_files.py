import hashlib
import stat
from pathlib import Path

from autola_analysis.core.files import replacing, sha256_of


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
