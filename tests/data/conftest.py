"""Small images, drawn on the spot."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def write_image(path: Path, colour: tuple[int, int, int] = (200, 30, 30), size: tuple[int, int] = (8, 8)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


@pytest.fixture
def make_image() -> Callable[..., Path]:
    """Write an image of one colour; folders are made as needed."""
    return write_image


@pytest.fixture
def birds(tmp_path: Path) -> Path:
    """Three classes with two, three and one images."""
    root = tmp_path / "birds"
    for name, count in (("wren", 2), ("crow", 3), ("owl", 1)):
        for number in range(count):
            write_image(root / name / f"{number}.png", colour=(number * 40, len(name) * 20, 7))
    return root


@pytest.fixture
def truncated_jpeg(tmp_path: Path) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    whole = tmp_path / "whole.jpg"
    Image.fromarray(noise).save(whole)
    content = whole.read_bytes()
    whole.unlink()
    return content[: len(content) // 2]


@pytest.fixture
def endless_jpeg() -> bytes:
    """A progressive JPEG of 16 megapixels that asks for all of them again in every one of 500 scans.

    They are nine seconds of work. No thread that decodes can be ended: with more, it would slow later tests down.
    """
    buffer = io.BytesIO()
    Image.new("L", (4000, 4000)).save(buffer, "JPEG", progressive=True, quality=5)
    content = buffer.getvalue()
    scan = content[content.rindex(b"\xff\xda") : -2]
    return content[:-2] + scan * 500 + content[-2:]
