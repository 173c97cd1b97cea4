import errno
import os
import time
from pathlib import Path

import pytest

from autola_analysis.core.cache import NAME, TAG, cache_errors, cache_folder, ready_to_write
from autola_analysis.core.errors import CacheError
from autola_analysis.core.files import temporary_beside


def test_only_the_marked_folder_is_cleared_up(tmp_path: Path) -> None:
    month = time.time() - 31 * 86400
    own = tmp_path / "embeddings" / "mine.npy"
    own.parent.mkdir()
    own.write_text("mine")
    os.utime(own, (month, month))
    folder = cache_folder(tmp_path, "embeddings")
    ready_to_write(folder)
    old = folder / "old.npz"
    old.write_text("x")
    os.utime(old, (month, month))
    ready_to_write(folder)
    assert not old.exists()
    assert own.read_text() == "mine"
    assert (tmp_path / NAME / TAG).read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55\n")


def test_a_folder_of_this_name_without_the_mark_is_not_ours(tmp_path: Path) -> None:
    folder = cache_folder(tmp_path, "passes")
    folder.mkdir(parents=True)
    with pytest.raises(CacheError, match=f"holds files and no {TAG}: it is no cache of this toolkit"):
        ready_to_write(folder)
    assert list(folder.iterdir()) == []


def test_a_mark_that_another_process_is_writing_is_no_foreign_file(tmp_path: Path) -> None:
    folder = cache_folder(tmp_path, "passes")
    folder.parent.mkdir()
    temporary_beside(folder.parent / TAG).touch()
    ready_to_write(folder)
    assert folder.is_dir()


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "No space left on device; free some space, give another --cache, or give --no-cache."),
        (errno.EROFS, "Read-only file system; give another --cache, or give --no-cache."),
    ],
)
def test_space_is_spoken_of_only_where_it_is_the_trouble(number: int, advice: str, tmp_path: Path) -> None:
    with pytest.raises(CacheError) as caught, cache_errors(tmp_path):
        raise OSError(number, os.strerror(number))
    assert str(caught.value) == f"cannot write into the cache {tmp_path}: {advice}"
