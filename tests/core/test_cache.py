import errno
import logging
import os
from pathlib import Path

import pytest

from autola_analysis.core import cache as module
from autola_analysis.core.cache import (
    NAME,
    TAG,
    cache_errors,
    cache_folder,
    may_write,
    ready_to_write,
    user_cache,
)
from autola_analysis.core.errors import CacheError
from autola_analysis.core.files import temporary_beside


def test_the_cache_is_a_marked_folder_in_the_one_that_is_given(tmp_path: Path) -> None:
    own = tmp_path / "embeddings" / "mine.npy"
    own.parent.mkdir()
    own.write_text("mine")
    ready_to_write(cache_folder(tmp_path, "embeddings"))
    assert own.read_text() == "mine"
    assert (tmp_path / NAME / "embeddings").is_dir()
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


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EPERM])
def test_a_cache_that_may_only_be_read_is_worked_without_and_named_once(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def forbidden(folder: Path) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(module, "ready_to_write", forbidden)
    with caplog.at_level(logging.WARNING, "autola_analysis"):
        assert not may_write(cache_folder(tmp_path, "passes"))
        assert not may_write(cache_folder(tmp_path, "neighbours"))
    reason = os.strerror(number)
    assert caplog.messages == [f"the cache {tmp_path} cannot be written ({reason}); nothing new is kept in it."]


def test_a_full_disk_is_no_matter_of_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(folder: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(module, "ready_to_write", full)
    with pytest.raises(CacheError, match="free some space"):
        may_write(cache_folder(tmp_path, "passes"))


def test_without_a_home_nothing_is_kept(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    with caplog.at_level(logging.WARNING, "autola_analysis"):
        assert user_cache() is None
    assert "this user has no home directory; nothing is kept" in caplog.text
