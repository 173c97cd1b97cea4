"""From an image file to pixels, or to one error that names the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from autola_analysis.core.errors import BadImageError

UNSCALED_MODES = ("I", "F")
"""32-bit pixels: no agreed range to bring to 8 bits."""


def read_image(path: Path) -> Image.Image:
    """Decode a whole image file to 8-bit RGB; 16-bit grey is scaled, transparency dropped, of frames the first kept.

    Raises:
        BadImageError: If the file cannot be read or decoded to its end, or its pixels have no agreed range.
    """
    try:
        with Image.open(path) as image:
            return _as_rgb(image)
    except MemoryError:
        raise
    except Exception as error:  # on damaged files Pillow's plugins raise all from KeyError to struct.error
        raise bad_image(path, _reason(path, error)) from error


def bad_image(path: Path, reason: str) -> BadImageError:
    """Return the error for an image file that cannot be used."""
    return BadImageError(
        f"{path} cannot be read as an image ({reason}); "
        "repair it, remove it, or leave such images out with --skip-bad-images.",
        str(path),
    )


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode in UNSCALED_MODES:
        raise ValueError("its pixels have 32 bits and no agreed range, where 8 or 16 bits are expected")
    if image.mode.startswith("I;16"):  # convert() would clip all above 255 to white
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image.convert("RGB")


def _reason(path: Path, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, UnidentifiedImageError):
        return "it is empty" if path.stat().st_size == 0 else "its format is not known"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()  # without the path, which the message has already
    lines = str(error).splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
