"""The cache: a marked folder inside the directory that a user gives, so that nothing else in it is ever removed."""

from __future__ import annotations

import errno
import functools
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autola_analysis.core.errors import CacheError
from autola_analysis.core.files import expanded, leftovers, replacing

NAME = "autola-cache"
TAG = "CACHEDIR.TAG"
SIGNATURE = (
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# Written by autola-analysis, which removes what it has not used for 30 days.\n"
    "# Backups leave such directories out, see https://bford.info/cachedir/\n"
)
FORBIDDEN = (errno.EROFS, errno.EACCES, errno.EPERM)
"""What a cache answers that may only be read."""

logger = logging.getLogger(__name__)


def user_cache() -> Path | None:
    """Return the directory for what can be computed again: under ``$XDG_CACHE_HOME``, else under ``~/.cache``.

    None, with a warning, where this user has no home.
    """
    given = os.environ.get("XDG_CACHE_HOME")
    try:
        return (expanded(given) if given else Path.home() / ".cache") / "autola-analysis"
    except RuntimeError:
        logger.warning("this user has no home directory; nothing is kept in a cache, unless --cache names one.")
        return None


def cache_folder(cache: str | Path, kind: str) -> Path:
    """Return the folder for things of one kind, such as "passes", in the cache directory that a user gives."""
    return expanded(cache) / NAME / kind


def ready_to_write(folder: Path) -> None:
    """Make a folder of `cache_folder`, and mark the cache as ours.

    Raises:
        CacheError: If a folder of the cache's name is there that this toolkit has not made.
    """
    root = folder.parent
    if not (root / TAG).exists():
        foreign = set(root.iterdir()) - set(leftovers(root)) if root.exists() else set()
        if foreign and not (root / TAG).exists():  # another process may just have made it
            raise CacheError(f"{root} holds files and no {TAG}: it is no cache of this toolkit; give another --cache.")
        with replacing(root / TAG) as path:
            path.write_text(SIGNATURE, encoding="utf-8")
    folder.mkdir(exist_ok=True)


def may_write(folder: Path) -> bool:
    """Make a folder of `cache_folder` ready; return whether anything can be kept there, with a warning where not.

    Raises:
        CacheError: If the folder is not ours, or cannot be written for another reason than that this is forbidden.
    """
    with cache_errors(folder):
        try:
            ready_to_write(folder)
        except OSError as error:
            if error.errno not in FORBIDDEN:
                raise
            _warn_of_forbidden(folder.parent.parent, error.strerror)
            return False
    if os.access(folder, os.W_OK | os.X_OK):
        return True
    _warn_of_forbidden(folder.parent.parent, os.strerror(errno.EACCES))
    return False


@functools.cache
def _warn_of_forbidden(cache: Path, reason: str) -> None:
    """Warn once per cache, however many networks a run has."""
    logger.warning("the cache %s cannot be written (%s); nothing new is kept in it.", cache, reason)


@contextmanager
def cache_errors(folder: Path) -> Iterator[None]:
    """Turn what goes wrong with files of the cache into a `CacheError` that names the folder."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        advice = "free some space, give another --cache" if full else "give another --cache"
        raise CacheError(
            f"cannot write into the cache {folder}: {error.strerror or error}; {advice}, or give --no-cache."
        ) from error
