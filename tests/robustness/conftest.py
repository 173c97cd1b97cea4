import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import pytest

from .sound_files import FOREIGN, write_bases

Item = TypeVar("Item")
EVERYTHING = os.environ.get("AUTOLA_TEST_FUZZ") == "all"
"""Whether all cases run (`make fuzz`) or a sample of them (`make test`)."""


def chosen(cases: Sequence[Item], every: int) -> list[Item]:
    """Return all cases, or every so-many-th."""
    return list(cases if EVERYTHING else cases[::every])


@pytest.fixture(scope="session")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sound files that are changed: ours, and those of others where this machine has them."""
    folder = tmp_path_factory.mktemp("bases")
    write_bases(folder)
    real = os.environ.get("AUTOLA_TEST_CHECKPOINTS")
    for name in FOREIGN if real else ():
        shutil.copy(Path(str(real)) / name, folder / name)
    return folder
