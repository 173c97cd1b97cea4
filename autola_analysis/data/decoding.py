"""From an image file to pixels, or to one error that names the file."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from autola_analysis.core.errors import BadImageError
from autola_analysis.core.patience import within
from autola_analysis.core.reading import open_ordinary
from autola_analysis.core.text import printable

T = TypeVar("T")

UNSCALED_MODES = ("I", "F")
"""32-bit pixels: no agreed range to bring to 8 bits."""

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""What is decoded, whatever a file is called: Pillow hands some other formats, PostScript among them, to programs."""

NARROWEST = 500
"""Length over width from which an image is a line: resized by its shorter side it would fill the memory."""


ORIENTATION = 0x0112
SIDEWAYS = (5, 6, 7, 8)
"""Number of the EXIF entry that says how an image is turned, and its values that exchange width and height"""

SECONDS = 50
"""How long decoding an image may take. 10^8 pixels take seconds, but a file may ask for all of them again and again."""

QUICK = 4096
"""Bytes up to which a file is decoded without that limit: too few to ask for more than half of it."""


def read_image(path: Path, turned: bool = True) -> Image.Image:
    """Decode a whole image file to 8-bit RGB.

    16-bit grey is scaled, transparency dropped, of frames the first kept.

    Args:
        path: Of the file.
        turned: Whether it is turned as its EXIF data say.

    Raises:
        BadImageError: If the file cannot be read or decoded to its end, is no ordinary file or none of `FORMATS`, its
            pixels have no agreed range, it has more than ``PIL.Image.MAX_IMAGE_PIXELS`` of them, it is a line, or
            decoding it takes more than `SECONDS`.
    """

    def read() -> Image.Image:
        quick = path.stat().st_size <= QUICK
        return _decoded(path, turned) if quick else within(SECONDS, partial(_decoded, path, turned))

    return _or_bad(path, read)


def image_size(path: Path) -> tuple[int, int]:
    """Return width and height of an image as it is shown, turned as its EXIF data say, from the head of its file.

    Raises:
        BadImageError: If the file cannot be read, or is no image.
    """

    def read() -> tuple[int, int]:
        with open_ordinary(path) as file, Image.open(file, formats=FORMATS) as image:
            width, height = image.size
            return (height, width) if image.getexif().get(ORIENTATION) in SIDEWAYS else (width, height)

    return _or_bad(path, read)


def _or_bad(path: Path, read: Callable[[], T]) -> T:
    """Return what is read from a file, or raise the error that names it."""
    try:
        return read()
    except MemoryError:
        raise
    except Exception as error:  # on damaged files Pillow's plugins raise all from KeyError to struct.error
        raise bad_image(path, _reason(path, error)) from error


def bad_image(path: Path, reason: str) -> BadImageError:
    """Return the error for an image file that cannot be used."""
    shown = printable(str(path))
    return BadImageError(
        f"{shown} cannot be read as an image ({printable(reason)}); "
        "repair it, remove it, or leave such images out with --skip-bad-images.",
        shown,
    )


def _decoded(path: Path, turned: bool) -> Image.Image:
    with open_ordinary(path) as file, Image.open(file, formats=FORMATS) as image:
        check_size(image)
        if turned:
            ImageOps.exif_transpose(image, in_place=True)  # else without EXIF data it is a copy: memory for nothing
        return _as_rgb(image, image.format)


def check_size(image: Image.Image) -> None:
    """Refuse more pixels than are allowed, and lines; the header is enough for that.

    Raises:
        ValueError: Saying what the size is.
    """
    width, height = image.size
    if Image.MAX_IMAGE_PIXELS is not None and width * height > Image.MAX_IMAGE_PIXELS:
        raise ValueError(f"its {width:,} x {height:,} pixels are more than the {Image.MAX_IMAGE_PIXELS:,} allowed")
    if max(width, height) >= NARROWEST * min(width, height):
        raise ValueError(f"{width} x {height} pixels are a line and no picture")


def _as_rgb(image: Image.Image, file_format: str | None) -> Image.Image:
    # Pillow holds a PGM of more than 8 bits in 32 and scales it to 65535.
    sixteen_bits = image.mode.startswith("I;16") or (image.mode == "I" and file_format == "PPM")
    if image.mode in UNSCALED_MODES and not sixteen_bits:
        raise ValueError("its pixels have 32 bits and no agreed range, where 8 or 16 bits are expected")
    if sixteen_bits:  # convert() would clip all above 255 to white
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image.convert("RGB")


def _reason(path: Path, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, TimeoutError) and error.strerror is None:
        return f"decoding it takes more than {SECONDS} seconds"
    if isinstance(error, Image.DecompressionBombError):
        return f"it has more than the {Image.MAX_IMAGE_PIXELS:,} pixels allowed"
    if isinstance(error, UnidentifiedImageError):
        return "it is empty" if path.stat().st_size == 0 else f"its format is not known: none of {', '.join(FORMATS)}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()  # without the path, which the message has already
    lines = str(error).splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
