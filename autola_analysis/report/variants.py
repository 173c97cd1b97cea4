"""The variants of a report in a row each: accuracy in per cent, parameters and multiply-adds as papers give them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from autola_analysis.core.text import percent_text, size_text


@dataclass(frozen=True)
class VariantRow:
    """A variant on some images, in words, with its training runs.

    Attributes:
        name: Of the variant.
        images: Number of images.
        top1: Mean top-1 accuracy over its runs, and their standard deviation where there are several.
        parameters: Number of parameters; of its smallest and its largest run where they differ.
        macs: Multiply-adds of one image, likewise.
        runs: The cells of each run: run, top-1, top-5, parameters, multiply-adds.
    """

    name: str
    images: int
    top1: str
    parameters: str
    macs: str
    runs: tuple[tuple[str, ...], ...]


def variant_rows(accuracy: pd.DataFrame) -> list[VariantRow]:
    """Return the rows of the variants, in order; a variant that several data sets were shown to has a row for each.

    Args:
        accuracy: A row per network and data set: model, run, images, top1, top5, parameters, macs.
    """
    return [
        VariantRow(
            str(name),
            int(rows["images"].iloc[0]),
            _mean(rows["top1"]),
            _range(rows["parameters"]),
            _range(rows["macs"]),
            tuple(_run(row) for row in rows.to_dict("records")),
        )
        for (name, _), rows in accuracy.groupby(["model", "images"], sort=False)
    ]


def _mean(top1: pd.Series) -> str:
    spread = 100 * float(top1.std(ddof=1))
    if spread != spread:
        return percent_text(float(top1.mean()))
    return f"{100 * float(top1.mean()):.2f} ± {spread:.2f} %"


def _range(numbers: pd.Series) -> str:
    return " to ".join(dict.fromkeys(size_text(number) for number in (numbers.min(), numbers.max())))


def _run(row: Mapping[object, object]) -> tuple[str, ...]:
    top1, top5 = (float(str(row[key])) for key in ("top1", "top5"))
    return (
        str(row["run"]),
        percent_text(top1),
        "" if top5 != top5 else percent_text(top5),
        *(f"{row[key]:,}" for key in ("parameters", "macs")),
    )
