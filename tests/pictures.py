"""What a picture that a report holds must be."""

from pathlib import Path

import numpy as np
from PIL import Image

DPI = 300


def assert_drawn(figure: Path, width: float = 5.5) -> None:
    """Check a figure of a report: a picture of its width that is not blank, a PDF and a caption.

    Args:
        figure: ``figures/<name>``, without an ending.
        width: Of the figure in inches.
    """
    with Image.open(figure.with_name(f"{figure.name}.png")) as picture:
        assert picture.width == round(width * DPI)
        assert np.ptp(np.asarray(picture.convert("L"))) > 200  # ink on paper
    pdf = figure.with_name(f"{figure.name}.pdf").read_bytes()
    assert pdf.startswith(b"%PDF-")
    assert pdf.rstrip().endswith(b"%%EOF")
    caption = figure.with_name(f"{figure.name}.caption.txt").read_text(encoding="utf-8")
    assert caption.strip().endswith(".")
