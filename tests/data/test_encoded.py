"""Which files another device may decode."""

import pickle
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from autola_analysis.core.errors import BadImageError, DataError
from autola_analysis.data import ImageFolderSource, Preprocessing
from autola_analysis.data.encoded import EncodedImage, EncodedImages, collate_encoded, pixels_of_plain_jpeg
from autola_analysis.data.subset import limit


def jpeg(mode: str = "RGB", size: tuple[int, int] = (20, 10), **options: Any) -> bytes:
    file = BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(noise).convert(mode).save(file, "JPEG", **options)
    return file.getvalue()


def turned(by: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = by
    return jpeg(exif=exif)


def png() -> bytes:
    file = BytesIO()
    Image.new("RGB", (20, 10)).save(file, "PNG")
    return file.getvalue()


def with_components(names: bytes) -> bytes:
    """Return a JPEG file without JFIF data whose components have other names."""
    file = bytearray(jpeg())
    start = file.index(b"\xff\xe0")
    del file[start : start + 2 + int.from_bytes(file[start + 2 : start + 4])]
    frame = file.index(b"\xff\xc0") + 10
    for place, name in enumerate(names):
        file[frame + 3 * place] = name
    return bytes(file)


@pytest.mark.parametrize(
    "file",
    [jpeg(), jpeg(quality=100, subsampling=0), jpeg(subsampling=2), turned(1), with_components(b"\x01\x02\x03")],
    ids=["plain", "full colour", "half colour", "upright", "without JFIF"],
)
def test_a_colour_photograph_is_handed_over_with_its_pixels(file: bytes) -> None:
    assert pixels_of_plain_jpeg(file) == 200


@pytest.mark.parametrize(
    "file",
    [
        jpeg("L"),
        jpeg("CMYK"),
        jpeg(progressive=True),
        jpeg(keep_rgb=True),
        turned(6),
        turned(3),
        with_components(b"RGB"),
        jpeg()[:-2],
        jpeg()[: len(jpeg()) // 2],
        jpeg()[:30] + b"\xff\xd9",
        jpeg() + b"more",
        png(),
        b"",
        b"\xff\xd8\xff\xd9",
        jpeg(size=(1000, 1)),
    ],
    ids=[
        "grey",
        "CMYK",
        "progressive",
        "stored as RGB",
        "turned right",
        "upside down",
        "named R, G, B",
        "without an end",
        "half",
        "damaged header",
        "something behind it",
        "PNG",
        "empty",
        "only markers",
        "a line",
    ],
)
def test_other_files_are_left_to_pillow(file: bytes) -> None:
    assert pixels_of_plain_jpeg(file) == 0


@pytest.mark.filterwarnings("ignore:Image size")
def test_more_pixels_than_allowed_are_left_to_pillow_which_refuses_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert pixels_of_plain_jpeg(jpeg()) == 0


@pytest.fixture
def mixed(tmp_path: Path) -> ImageFolderSource:
    """A JPEG file, a PNG file, and a turned JPEG file of a class; another JPEG file of another."""
    for name, file in (("a/0.jpg", jpeg()), ("a/1.png", png()), ("a/2.jpg", turned(6)), ("b/3.jpg", jpeg())):
        path = tmp_path / "mixed" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file)
    return ImageFolderSource(tmp_path / "mixed")


def test_a_batch_holds_files_and_decoded_images_in_the_order_of_the_batch(mixed: ImageFolderSource) -> None:
    preprocessing = Preprocessing(8, 8)
    images = EncodedImages(mixed, preprocessing)
    batch = collate_encoded([images[index] for index in (3, 1, 0, 2)], mixed.ids)
    assert batch.indices.tolist() == [3, 1, 0, 2]
    assert [each.index for each in batch.encoded] == [3, 0]
    assert bytes(batch.encoded[0].file.numpy()) == jpeg()
    assert batch.decoded is not None
    indices, decoded = batch.decoded
    assert indices.tolist() == [1, 2]
    assert torch.equal(decoded[1], preprocessing.geometry(mixed.image(2)))
    assert isinstance(pickle.loads(pickle.dumps(images))[0], EncodedImage)
    assert len(images) == 4


def test_a_part_of_a_source_hands_over_its_own_files(mixed: ImageFolderSource) -> None:
    part = limit(mixed, 2)
    path = mixed.root / part.ids[0]
    assert part.file(0) == path.read_bytes()


def test_decoded_images_of_other_sizes_are_refused(mixed: ImageFolderSource) -> None:
    images = EncodedImages(mixed, Preprocessing())
    with pytest.raises(DataError, match=r"a/1\.png has 20x10 pixels"):
        collate_encoded([images[2], images[1]], mixed.ids)


def test_a_grey_network_gets_decoded_images(mixed: ImageFolderSource) -> None:
    assert not isinstance(EncodedImages(mixed, Preprocessing(mean=(0.5,), std=(0.5,)))[0], EncodedImage)


def test_a_file_that_has_gone_is_named(mixed: ImageFolderSource, make_image: Callable[..., Path]) -> None:
    (mixed.root / "a/0.jpg").unlink()
    with pytest.raises(BadImageError, match=r"a/0\.jpg cannot be read as an image \(there is no such file\)"):
        EncodedImages(mixed, Preprocessing())[0]
