"""Image files that cannot be decoded: one error that names them, or a run without them."""

import io
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from autola_analysis.core.errors import BadImageError, DataError
from autola_analysis.data import ClutteredDigits, ImageFolderSource, Preprocessing, decoding, drop_unreadable
from autola_analysis.data.decoding import read_image
from autola_analysis.data.listed import ListedImages

MakeImage = Callable[..., Path]


def test_truncated_jpeg_is_named(birds: Path, truncated_jpeg: bytes) -> None:
    (birds / "owl" / "0.jpg").write_bytes(truncated_jpeg)
    source = ImageFolderSource(birds)
    with pytest.raises(BadImageError, match="truncated") as caught:
        source.image(list(source.ids).index("owl/0.jpg"))
    assert caught.value.path == str(birds / "owl" / "0.jpg")
    assert str(birds / "owl" / "0.jpg") in str(caught.value)
    assert "--skip-bad-images" in str(caught.value)


def test_an_image_that_takes_for_ever_is_named_and_can_be_left_out(
    birds: Path, endless_jpeg: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "SECONDS", 1)
    path = birds / "owl" / "endless.jpg"
    path.write_bytes(endless_jpeg)
    with pytest.raises(BadImageError, match=r"endless.jpg cannot be read as an image .*takes more than 1 seconds"):
        read_image(path)
    _, left_out = drop_unreadable(ImageFolderSource(birds))
    assert left_out == (str(path),)


def test_empty_file(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    with pytest.raises(BadImageError, match="it is empty"):
        read_image(tmp_path / "a.jpg")


def test_text_with_an_image_suffix(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("404 not found")
    with pytest.raises(BadImageError, match="its format is not known"):
        read_image(tmp_path / "a.jpg")


def test_file_that_has_gone(tmp_path: Path) -> None:
    with pytest.raises(BadImageError, match="there is no such file"):
        read_image(tmp_path / "a.jpg")


def test_folder_with_an_image_name(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").mkdir()
    with pytest.raises(BadImageError, match=r"is a directory|permission denied"):
        read_image(tmp_path / "a.jpg")


def test_decompression_bomb(tmp_path: Path, make_image: MakeImage, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = make_image(tmp_path / "a.png", size=(20, 20))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(BadImageError, match="it has more than the 100 pixels allowed"):
        read_image(bomb)


@pytest.mark.parametrize("mode", ["I", "F"])
def test_pixels_without_an_agreed_range(tmp_path: Path, mode: str) -> None:
    Image.new(mode, (4, 4), 7).save(tmp_path / "a.tif")
    with pytest.raises(BadImageError, match="32 bits"):
        read_image(tmp_path / "a.tif")


def test_sixteen_bit_grey_is_scaled_and_not_clipped(tmp_path: Path) -> None:
    grey = np.array([[0, 255, 256, 32768, 65535]], dtype=np.uint16)
    Image.fromarray(grey).save(tmp_path / "a.png")
    assert np.asarray(read_image(tmp_path / "a.png"))[0, :, 0].tolist() == [0, 0, 1, 128, 255]


def test_a_pgm_of_sixteen_bits_is_scaled_like_a_png(tmp_path: Path) -> None:
    values = np.array([[0, 255, 256, 32768, 65535]], dtype=">u2")
    (tmp_path / "a.pgm").write_bytes(b"P5\n5 1\n65535\n" + values.tobytes())
    assert np.asarray(read_image(tmp_path / "a.pgm"))[0].tolist() == [[value] * 3 for value in (0, 0, 1, 128, 255)]


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
@pytest.mark.parametrize(
    ("orientation", "turned"),
    [(1, lambda a: a), (3, lambda a: a[::-1, ::-1]), (6, lambda a: np.rot90(a, -1)), (8, np.rot90)],
)
def test_an_image_is_turned_as_its_camera_was(
    tmp_path: Path, suffix: str, orientation: int, turned: Callable[[np.ndarray], np.ndarray]
) -> None:
    stored = np.zeros((16, 32, 3), np.uint8)
    stored[:8, :16] = 255  # a bright quarter
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored).save(tmp_path / f"a.{suffix}", exif=exif)
    found = np.asarray(read_image(tmp_path / f"a.{suffix}"))
    np.testing.assert_allclose(found, turned(stored), atol=2)  # a JPEG loses a little
    source = ListedImages([tmp_path / f"a.{suffix}"])
    pixels = Preprocessing().geometry(source.image(0)).permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(pixels, found)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA"])
def test_other_modes_arrive_as_rgb(tmp_path: Path, mode: str) -> None:
    Image.new("RGB", (4, 4), "white").convert(mode).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png")
    assert image.mode == "RGB"
    assert image.getpixel((0, 0)) == (255, 255, 255)


def image_or_error(path: Path) -> Image.Image | BadImageError:
    try:
        return read_image(path)
    except BadImageError as error:
        return error


@pytest.fixture
def small_images_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a damaged header that claims a large image from costing the memory of one."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("small_images_only")
@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP", "PPM"])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_of_any_kind_gives_an_image_or_that_one_error(tmp_path: Path, form: str, data: st.DataObject) -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.arange(768, dtype=np.uint8).reshape(16, 16, 3)).save(buffer, form)
    content = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(0, 8))):
        content[data.draw(st.integers(0, min(len(content), 200) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "a.img"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    outcome = image_or_error(path)
    if isinstance(outcome, BadImageError):
        assert outcome.path == str(path)
        assert "\n" not in str(outcome)
    else:
        assert outcome.mode == "RGB"


def test_error_survives_pickling_between_processes() -> None:
    error = pickle.loads(pickle.dumps(BadImageError("a.jpg is bad.", "a.jpg")))
    assert (str(error), error.path) == ("a.jpg is bad.", "a.jpg")


class TestLeavingThemOut:
    @pytest.fixture
    def damaged(self, birds: Path, truncated_jpeg: bytes) -> ImageFolderSource:
        (birds / "crow" / "1a.jpg").write_bytes(truncated_jpeg)
        (birds / "owl" / "a.jpg").touch()
        return ImageFolderSource(birds)

    def test_the_rest_keeps_its_order_and_labels(self, damaged: ImageFolderSource) -> None:
        source, _ = drop_unreadable(damaged)
        assert list(source.ids) == [name for name in damaged.ids if not name.endswith(".jpg")]
        assert source.labels.tolist() == [0, 0, 0, 1, 2, 2]
        assert [source.image(i).size for i in range(len(source))] == [(8, 8)] * 6

    def test_bad_paths_are_listed(self, damaged: ImageFolderSource) -> None:
        _, bad = drop_unreadable(damaged)
        assert bad == (str(damaged.root / "crow" / "1a.jpg"), str(damaged.root / "owl" / "a.jpg"))

    def test_fingerprint_tells_the_rest_from_the_whole(self, damaged: ImageFolderSource) -> None:
        assert drop_unreadable(damaged)[0].fingerprint() != damaged.fingerprint()

    def test_source_without_bad_images_is_returned_as_it_is(self, birds: Path) -> None:
        source = ImageFolderSource(birds)
        assert drop_unreadable(source) == (source, ())

    def test_progress_counts_every_image_once(self) -> None:
        seen: list[int] = []
        drop_unreadable(ClutteredDigits(length=300), seen.append, threads=2)
        assert sum(seen) == 300
        assert len(seen) > 1

    def test_nothing_left_is_an_error(self, tmp_path: Path) -> None:
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "0.jpg").touch()
        with pytest.raises(DataError, match=r"none of the 2 images .* can be decoded; the first: .*0\.jpg"):
            drop_unreadable(ImageFolderSource(tmp_path))

    def test_a_class_may_lose_all_its_images(self, birds: Path) -> None:
        (birds / "owl" / "0.png").write_bytes(b"")
        source, _ = drop_unreadable(ImageFolderSource(birds))
        assert source.classes == ("crow", "owl", "wren")
        assert source.labels.tolist() == [0, 0, 0, 2, 2]


@pytest.mark.parametrize("form", ["EPS", "ICO", "TGA", "PCX", "JPEG2000", "SGI", "MSP", "PDF", "XBM"])
def test_a_format_that_is_not_on_the_list_is_not_opened(form: str, tmp_path: Path) -> None:
    """A suffix does not choose the format: Pillow would start Ghostscript with PostScript that is called x.png."""
    image = Image.new("1" if form in ("MSP", "XBM") else "RGB", (8, 8))
    image.save(tmp_path / "x.png", form)
    with pytest.raises(BadImageError, match="its format is not known: none of BMP, GIF, JPEG, PNG, PPM, TIFF, WEBP"):
        read_image(tmp_path / "x.png")


def test_postscript_starts_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gs").write_text(f"#!/bin/sh\ntouch {tmp_path / 'started'}\necho 10.0\n")
    (tmp_path / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (tmp_path / "x.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n{ } loop\n%%EOF\n")
    with pytest.raises(BadImageError, match="its format is not known"):
        read_image(tmp_path / "x.png")
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize("form", ["BMP", "GIF", "JPEG", "MPO", "PNG", "PPM", "TIFF", "WEBP"])
def test_formats_on_the_list_are_opened_whatever_the_file_is_called(form: str, tmp_path: Path) -> None:
    Image.new("RGB", (9, 8), (200, 30, 10)).save(tmp_path / "x.gif", form)
    assert read_image(tmp_path / "x.gif").size == (9, 8)


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_pipe_or_a_device_is_no_image(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    for source in (ListedImages([path]), ListedImages([tmp_path])):
        with pytest.raises(BadImageError, match="no ordinary file, but a pipe, a device or a socket"):
            source.image(0)
        with pytest.raises(BadImageError, match="no ordinary file"):
            source.contents(0)
