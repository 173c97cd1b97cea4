"""The units that are most and least class selective, with the images that drive them most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from autola_analysis.analyses.selectivity import SelectivityResult
from autola_analysis.analyses.top_images import TopImages
from autola_analysis.report.arrays import read_arrays, write_arrays
from autola_analysis.report.section import Section
from autola_analysis.report.templating import render
from autola_analysis.report.thumbnails import Thumbnails

SHOWN = 2
"""Units of each kind, per network and layer."""

READING = (
    "Of every layer and variant (its first run) the live units with the highest and the lowest class selectivity "
    "index, beside the images with the largest spatial mean of the unit's feature map, the largest first. What a few "
    "extreme images have in common need not be what a unit answers to in all others.",
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
        images: Names of the images that drive it most.
        values: The unit's activity for each.
    """

    model: str
    layer: str
    kind: str
    unit: int
    selectivity: float
    preferred: str
    images: tuple[str, ...]
    values: tuple[float, ...]


def write_units(directory: Path, tops: Sequence[TopImages], ids: Sequence[str]) -> None:
    """Write ``arrays/top_images.npz``.

    Args:
        directory: The report.
        tops: Of each network.
        ids: Names of the images of the data, by number; those that are mentioned are kept.
    """
    arrays: dict[str, Any] = {}
    mentioned: set[int] = set()
    for top in tops:
        for layer, images in top.images.items():
            arrays[f"{top.model}/{top.run}/{layer}/images"] = images
            arrays[f"{top.model}/{top.run}/{layer}/values"] = top.values[layer]
            mentioned.update(np.unique(images).tolist())
    about = {
        "networks": [{"model": top.model, "run": top.run, "layers": list(top.images)} for top in tops],
        "ids": {str(number): ids[number] for number in sorted(mentioned)},
    }
    write_arrays(directory, "top_images", arrays, about)


def read_units(directory: Path) -> tuple[list[TopImages], dict[int, str]]:
    """Read what `write_units` wrote.

    Returns:
        The images of each network, and the names of the images that are mentioned, by number.

    Raises:
        ReportError: If there is no such file.
    """
    arrays, about = read_arrays(directory, "top_images")
    tops = []
    for each in about["networks"]:
        keys = {layer: f"{each['model']}/{each['run']}/{layer}" for layer in each["layers"]}
        tops.append(
            TopImages(
                each["model"],
                each["run"],
                {layer: arrays[f"{key}/images"] for layer, key in keys.items()},
                {layer: arrays[f"{key}/values"] for layer, key in keys.items()},
            )
        )
    return tops, {int(number): name for number, name in about["ids"].items()}


def unit_rows(
    results: Sequence[SelectivityResult], tops: Sequence[TopImages], ids: dict[int, str] | Sequence[str]
) -> list[UnitRow]:
    """Return the units to show, by layer, then by variant: the most selective first, then the least selective."""
    by_network = {(top.model, top.run): top for top in tops}
    first = {result.model: result for result in reversed(results)}
    ordered = [first[name] for name in dict.fromkeys(result.model for result in results)]
    rows = []
    for layer in dict.fromkeys(layer for result in results for layer in result.layers):
        for result in ordered:
            top = by_network.get((result.model, result.run))
            if top is not None and layer in top.images and layer in result.layers:
                rows += _rows_of_layer(result, top, layer, ids)
    return rows


def units_section(
    results: Sequence[SelectivityResult], tops: Sequence[TopImages], ids: dict[int, str], thumbnails: Thumbnails
) -> Section:
    """Return the section with the table of units.

    Args:
        results: Selectivity, in the order they are shown.
        tops: The images that drive each unit.
        ids: Names of the images, by number.
        thumbnails: Small images; names stand where there is none.
    """
    rows = unit_rows(results, tops, ids)
    layers = {layer: [row for row in rows if row.layer == layer] for layer in dict.fromkeys(row.layer for row in rows)}
    body = render("units.html.j2", layers=layers, places=thumbnails.places("units"), titles=thumbnails.titles)
    return Section("units", "Units and the images that drive them", reading=READING, body=body)


def _rows_of_layer(
    result: SelectivityResult, top: TopImages, layer: str, ids: dict[int, str] | Sequence[str]
) -> list[UnitRow]:
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
            images=tuple(ids[int(number)] for number in top.images[layer][int(row["unit"])]),
            values=tuple(map(float, top.values[layer][int(row["unit"])])),
        )
        for kind, chosen in (("most", most), ("least", least))
        for row in chosen.to_dict("records")
    ]
