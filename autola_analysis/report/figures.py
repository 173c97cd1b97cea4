"""Writing figures: PNG for the screen, PDF for the paper, a caption beside them."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from autola_analysis.report.style import paper_style


def write_figure(figure: Figure, directory: Path, name: str, caption: str) -> None:
    """Write ``figures/<name>.png``, ``.pdf`` (embedded TrueType text) and ``.caption.txt``."""
    folder = directory / "figures"
    folder.mkdir(exist_ok=True)
    with paper_style():
        figure.savefig(folder / f"{name}.png")
        # Without a date the same figure gives the same file.
        figure.savefig(folder / f"{name}.pdf", metadata={"CreationDate": None})
    (folder / f"{name}.caption.txt").write_text(caption + "\n", encoding="utf-8")
