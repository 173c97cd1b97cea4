"""Real data and checkpoints where the machine has them, and small networks everywhere."""

import os
import tempfile
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import tests.surroundings  # isort: skip  # before PyTorch is imported
import pytest
import torch

from tests.drafts import without_pictures
from tests.small_networks import write_network

__all__ = ["without_pictures"]

CACHE = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "autola"

GPU_DEVICE = os.environ.get("AUTOLA_TEST_GPU", "cuda")
"""Device of the tests marked "gpu"; "cpu" rehearses those that need no memory of a GPU."""


def pytest_collection_finish() -> None:
    """Collect garbage again: all that is imported for tests has been imported."""
    tests.surroundings.all_is_imported()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a GPU where there is none."""
    if item.get_closest_marker("gpu") and GPU_DEVICE != "cpu" and not torch.cuda.is_available():
        pytest.skip("torch sees no CUDA device here")


def shared_folder(variable: str, what: str) -> Path:
    """Return the folder that an environment variable names; skip where it is unset, fail where it is wrong."""
    folder = os.environ.get(variable)
    if not folder:
        pytest.skip(f"{variable} is not set to the folder with {what}")
    assert Path(folder).is_dir(), f"{variable} is {folder}, which is no folder"
    return Path(folder)


@pytest.fixture(scope="session")
def real_files() -> Path:
    """Checkpoints that other projects' code wrote."""
    return shared_folder("AUTOLA_TEST_CHECKPOINTS", "other projects' checkpoints")


@pytest.fixture(scope="session")
def cifar10_jpeg() -> Path:
    """The CIFAR-10 images as JPEG files, in train/<class> and test/<class>.

    Unpacked once per version of the zip, beside its place and renamed there, so that parallel workers cannot meet a
    half-unpacked folder.
    """
    archive = shared_folder("AUTOLA_TEST_DATA", "cifar10-jpeg.zip") / "cifar10-jpeg.zip"
    unpacked = CACHE / f"cifar10-jpeg-{archive.stat().st_size}"
    if not unpacked.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE, prefix="unpacking-") as temporary:
            ours = Path(temporary) / "cifar10-jpeg"
            with zipfile.ZipFile(archive) as opened:
                opened.extractall(ours)
            try:
                ours.rename(unpacked)
            except OSError:  # another worker was first
                assert unpacked.is_dir()
    return unpacked


@pytest.fixture(autouse=True)
def cache_of_its_own(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test find what another, or the user, has left in the cache."""
    monkeypatch.setenv("AUTOLA_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(autouse=True)
def same_random_numbers() -> None:
    """Start every test from the same global random state."""
    torch.manual_seed(0)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Callable[..., Path]:
    """Write a small random network with an attention and return the file."""
    return partial(write_network, tmp_path)
