"""Small images: kept once per report, whoever shows them."""

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from autola_analysis.data import ClutteredDigits
from autola_analysis.report.thumbnails import (
    Thumbnail,
    Thumbnails,
    read_thumbnails,
    source_thumbnails,
    write_thumbnails,
)


def digits(count: int) -> list[Thumbnail]:
    return list(source_thumbnails(ClutteredDigits("test", count), range(count), quiet=True))


def test_thumbnails_are_kept_once_small_and_like_the_images(tmp_path: Path) -> None:
    smooth = np.linspace(0, 255, 200 * 100 * 3).reshape(200, 100, 3).astype(np.uint8)
    other = Thumbnail("x", "dog", smooth[::-1].copy())
    write_thumbnails(
        tmp_path, {"selectivity": [Thumbnail("x", "cat", smooth), *digits(2)], "embedding": [other, *digits(1)]}
    )
    found = read_thumbnails(tmp_path)
    assert dict(found.places("selectivity")) == {"x": 0, "test/000000": 1, "test/000001": 2}
    assert dict(found.places("embedding")) == {"x": 3, "test/000000": 1}  # another x, the same digit
    assert found.places("other") == {}
    source = ClutteredDigits("test", 2)
    assert found.titles == ("cat", *(source.classes[label] for label in source.labels), "dog")
    images = [Image.open(BytesIO(jpeg)) for jpeg in found.jpegs]
    assert [image.size for image in images] == [(32, 64), (32, 32), (32, 32), (32, 64)]
    difference = np.asarray(images[1], dtype=float) - np.asarray(source.image(0), dtype=float)
    assert np.abs(difference).mean() < 6


def test_a_report_without_thumbnails_has_none(tmp_path: Path) -> None:
    assert read_thumbnails(tmp_path) == Thumbnails()
