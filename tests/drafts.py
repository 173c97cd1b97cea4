"""Reports without their pictures, for tests of everything else: rendering takes a fifth of a small study's time."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image


@contextmanager
def drafts() -> Iterator[None]:
    """Write one grey pixel in place of every figure, which is composed all the same."""
    from matplotlib.figure import Figure  # every test reads this file by way of its conftest, and few draw

    pixel = BytesIO()
    Image.new("L", (1, 1), 128).save(pixel, "png")

    def savefig(figure: object, path: Path, **_: object) -> None:
        path.write_bytes(pixel.getvalue() if path.suffix == ".png" else b"")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", savefig)
        yield


@pytest.fixture
def without_pictures() -> Iterator[None]:
    """Let a test write reports without pictures; a module asks for it with ``pytestmark``."""
    with drafts():
        yield
