"""The units that are most and least class selective, with the images that drive them most."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from autola_analysis.analyses.selectivity.result import SelectivityResult
from autola_analysis.analyses.selectivity.top_images import TopImages
from autola_analysis.report.section import Section
from autola_analysis.report.templating import render
from autola_analysis.report.thumbnails import Thumbnails

SHOWN = 2
"""Units of each kind, per network and layer."""

READING = (
    "Of every layer and variant (its first run) the live units with the highest and the lowest class selectivity "
    "index, beside the images with the largest spatial mean of the unit's feature map, the largest first. What a few "
    "extreme images have in common need not be what a unit answers to in all others. Stability is the share of the "
    "folds of images without which the unit prefers the same class; since what is left of the images is nearly the "
    "same each time, 1 is no proof, and less than 1 says that the class may be the noise's choice.",
)


@dataclass(frozen=True)
class UnitRow:
    """A unit to show.

    Attributes:
        model: Name of the variant.
        layer: Its layer.
        kind: "most" or "least" selective.
        unit: Its number.
        selectivity: Its class selectivity index.
        preferred: Name of the class with the largest mean activity.
        stability: Share of the folds without which it prefers the same class; NaN without folds.
        auc: Area under its ROC curve for the preferred class; NaN where it was not asked for.
        images: Names of the images that drive it most.
        values: The unit's activity for each.
    """

    model: str
    layer: str
    kind: str
    unit: int
    selectivity: float
    preferred: str
    stability: float
    auc: float
    images: tuple[str, ...]
    values: tuple[float, ...]


def unit_rows(results: Sequence[SelectivityResult]) -> list[UnitRow]:
    """Return the units to show, by layer, then by variant: the most selective first, then the least selective."""
    first = {result.model: result for result in reversed(results)}
    ordered = [first[name] for name in dict.fromkeys(result.model for result in results)]
    rows = []
    for layer in dict.fromkeys(layer for result in results for layer in result.layers):
        for result in ordered:
            top = result.top_images
            if top is not None and layer in top.images and layer in result.layers:
                rows += _rows_of_layer(result, top, layer)
    return rows


def mentioned_images(results: Sequence[SelectivityResult]) -> list[str]:
    """Return the names of the images that the section shows."""
    return list(dict.fromkeys(name for row in unit_rows(results) for name in row.images))


def units_section(results: Sequence[SelectivityResult], thumbnails: Thumbnails) -> Section:
    """Return the section with the table of units.

    Args:
        results: In the order they are shown.
        thumbnails: Small images; names stand where there is none.
    """
    rows = unit_rows(results)
    layers = {layer: [row for row in rows if row.layer == layer] for layer in dict.fromkeys(row.layer for row in rows)}
    body = render(
        "units.html.j2",
        __package__,
        layers=layers,
        places=thumbnails.places("selectivity"),
        titles=thumbnails.titles,
        areas=any(not math.isnan(row.auc) for row in rows),
    )
    return Section("units", "Units and the images that drive them", reading=READING, body=body)


def _rows_of_layer(result: SelectivityResult, top: TopImages, layer: str) -> list[UnitRow]:
    units = result.units[(result.units["layer"] == layer) & ~result.units["dead"].astype(bool)]
    units = units.sort_values(["selectivity", "unit"], ascending=[False, True])
    most = units.head(min(SHOWN, len(units)))
    least = units.tail(max(0, min(SHOWN, len(units) - len(most))))
    return [
        UnitRow(
            model=result.model,
            layer=layer,
            kind=kind,
            unit=int(row["unit"]),
            selectivity=float(row["selectivity"]),
            preferred=str(row["preferred_class"]),
            stability=float(row["preferred_stability"]),
            auc=float(row["auc"]),
            images=tuple(top.ids[int(number)] for number in top.images[layer][int(row["unit"])]),
            values=tuple(map(float, top.values[layer][int(row["unit"])])),
        )
        for kind, chosen in (("most", most), ("least", least))
        for row in chosen.to_dict("records")
    ]
