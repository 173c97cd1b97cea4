"""The result of measuring saliency: a row per image and map, means with intervals, and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autola_analysis.analyses.saliency.faithfulness import SCALED
from autola_analysis.analyses.saliency.localisation import METRICS, OFFSETS
from autola_analysis.analyses.saliency.sanity.result import SANITY, SanityResult
from autola_analysis.core.columns import INTERVAL, MODEL, Column, count, number, text
from autola_analysis.core.results import Arrays, Format, SavedResult, Stored
from autola_analysis.core.tables import Table
from autola_analysis.statistics.intervals import mean_interval, share_interval

IMAGES = Table(
    "saliency_images",
    (
        *MODEL,
        Column("image", "image", "name of the image"),
        Column("label", "whole", "class of the image; missing where the labels are not the head's"),
        Column("predicted", "whole", "class with the highest logit"),
        Column("target", "whole", "class that is explained"),
        number("score", "logit of the target"),
        text("method", "name of the method"),
        text("layer", "layer; empty for methods without one"),
        text("status", "ok, zero, constant or non-finite"),
    ),
)
METRICS_TABLE = Table(
    "saliency_metrics",
    (
        text("model", "name of the variant; chance for the maps that know nothing"),
        text("method", "name of the method"),
        text("layer", "layer; empty for methods without one"),
        text("metric", "name of the metric"),
        text("subset", "all images, or those that every network predicts right"),
        count("images", "number of images"),
        number("mean", "over images and runs"),
        *INTERVAL,
    ),
    latex=True,
)
MAPS = "saliency_maps"
CURVES = "saliency_curves"
FORMAT = Format(
    "saliency",
    (IMAGES, METRICS_TABLE, *SanityResult.FORMAT.tables),
    (MAPS, CURVES, *SanityResult.FORMAT.arrays),
)
PANEL_FACTS = ("variant", "run", "method", "layer", "predicted", "probability", "score", "status", "box")
ALL_METRICS = (*METRICS, *SCALED)
KEPT_OF_CURVES = {"insertion": "insertion_curve", "deletion": "deletion_curve", "emptied": "emptied"}
"""Names, in the file of curves, of what rows hold; the last of objects alone"""
CHANCE = "chance"
WRONG = "wrong"
OTHER = "differs from the explained class"
CEILING = "ceiling"


@dataclass(frozen=True)
class Panel:
    """One map of one image.

    Attributes:
        variant: Name of the network.
        run: Its training run.
        method: Name of the method.
        layer: Layer; None for methods without one.
        map: ``(H, W)`` or ``(3, H, W)``, raw.
        predicted: Class with the highest logit.
        probability: Softmax of that class.
        score: Logit of the target.
        status: See `Explanation`.
        pixels: The image as this network sees it, where its geometry is not the first network's.
        mask: Of the object in these pixels.
        box: Box that a detector predicts, x1, y1, x2, y2 in these pixels; None for a classifier.
    """

    variant: str
    run: str
    method: str
    layer: str | None
    map: NDArray[np.float32]
    predicted: str
    probability: float
    score: float
    status: str
    pixels: NDArray[np.uint8] | None = None
    mask: NDArray[np.bool_] | None = None
    box: Sequence[float] | None = None


@dataclass(frozen=True)
class Picture:
    """One image and its maps.

    Attributes:
        image: Its id.
        pixels: ``(H, W, 3)``, uint8, as the first network sees it.
        mask: Where the object is; None where that is not known.
        label: Name of its class; empty where it has none.
        target: Name of the class that is explained.
        panels: One per network, method and layer.
    """

    image: str
    pixels: NDArray[np.uint8]
    mask: NDArray[np.bool_] | None
    label: str
    target: str
    panels: list[Panel]

    def remark(self, panel: Panel) -> str:
        """Return what to say of a network's prediction: nothing, that it is wrong, or not what is explained."""
        if panel.predicted == self.target:
            return ""
        return WRONG if self.label == self.target else OTHER


@dataclass(frozen=True, repr=False)
class SaliencyResult(SavedResult):
    """Where the maps of some networks lie.

    Attributes:
        images: A row per network, image and map, columns of `IMAGES` and one per metric; ``label`` is empty where
            the labels are not the head's, a metric where the image has no mask.
        metrics: A row per variant, method, layer, metric and subset, columns of `METRICS_TABLE`; the variant "chance"
            holds the maps that know nothing.
        pictures: Images to show.
        settings: What else decided the numbers.
        warnings: Sentences that belong beside them.
        sanity: What random weights leave of the maps; None without a sanity check.
        curves: Softmax of the target while pixels enter or leave, ``(images, steps + 1)`` by network, method, layer and
            "insertion" or "deletion", in the order of the rows of `images`: what these metrics are the scaled areas of.
    """

    FORMAT = FORMAT

    images: pd.DataFrame
    metrics: pd.DataFrame
    pictures: Sequence[Picture] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    sanity: SanityResult | None = None
    curves: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    def stored(self) -> Stored:
        """Return the result as tables and arrays."""
        pixels, pictures = picture_arrays(self.pictures)
        about = {"pictures": pictures, "settings": dict(self.settings), "warnings": list(self.warnings)}
        tables = {IMAGES.name: self.images, METRICS_TABLE.name: self.metrics}
        arrays = {MAPS: Arrays(pixels, about)}
        if self.curves:
            arrays[CURVES] = Arrays(self.curves)
        checked = Stored() if self.sanity is None else self.sanity.stored()
        return Stored({**tables, **checked.tables}, {**arrays, **checked.arrays})

    @classmethod
    def restored(cls, stored: Stored) -> Self:
        """Return the result of its tables and arrays."""
        maps = stored.arrays[MAPS]
        return cls(
            images=stored.tables[IMAGES.name],
            metrics=stored.tables[METRICS_TABLE.name],
            pictures=pictures_of(maps.values, maps.about["pictures"]),
            settings=maps.about["settings"],
            warnings=tuple(maps.about["warnings"]),
            sanity=SanityResult.restored(stored) if SANITY.name in stored.tables else None,
            curves=stored.arrays[CURVES].values if CURVES in stored.arrays else {},
        )

    def _repr_html_(self) -> str:
        html: str = self.metrics.to_html(index=False, float_format="{:.4f}".format)
        return html


def saliency_result(
    rows: Sequence[Mapping[str, Any]],
    pictures: Sequence[Picture],
    warnings: Sequence[str],
    settings: Mapping[str, Any],
    seed: int = 0,
) -> SaliencyResult:
    """Make the tables of the rows of all images."""
    measured = [metric for metric in ALL_METRICS if any(metric in row for row in rows)]
    images = pd.DataFrame(rows, columns=[*IMAGES.names, *measured])
    for column in ("label", "predicted", "target"):
        images[column] = images[column].astype("Int64")
    metrics = metric_table(images, measured, seed)
    return SaliencyResult(images, metrics, pictures, settings, tuple(warnings), curves=curves_of(rows))


def metric_table(images: pd.DataFrame, metrics: Sequence[str], seed: int = 0) -> pd.DataFrame:
    """Return the mean of each metric with a 95% interval: over images, from three runs on over runs and images.

    The subsets are all images, and those that every network predicts right. All metrics but offsets and scaled areas
    are shares, and so are their limits. See `intervals.mean_interval`.
    """
    right = _right_everywhere(images)
    subsets = {"all": images} | ({"all-correct": images[images["image"].isin(right)]} if right else {})
    return means_of(subsets, metrics, (*OFFSETS, *SCALED), seed)


def means_of(
    subsets: Mapping[str, pd.DataFrame], metrics: Sequence[str], unbounded: Sequence[str], seed: int
) -> pd.DataFrame:
    """Return the rows of `METRICS_TABLE` for some subsets of images.

    Args:
        subsets: By name, frames with ``model``, ``run``, ``method``, ``layer``, ``image`` and a column per metric, a
            row per network, map and image.
        metrics: Names of the metrics.
        unbounded: Those whose limits may lie outside [0, 1].
        seed: Of the bootstrap.
    """
    by_map = {
        name: dict(iter(rows.groupby(["model", "method", "layer"], sort=False))) for name, rows in subsets.items()
    }
    rows = []
    for key in by_map["all"]:
        for metric in metrics:
            for subset, groups in by_map.items():
                if key not in groups:
                    continue
                table = groups[key].pivot(index="run", columns="image", values=metric)
                images = list(dict.fromkeys(subsets[subset]["image"]))
                values = table.reindex(columns=images).to_numpy(float)
                values = values[:, ~np.isnan(values).any(0)]
                if not values.size:
                    continue
                low, high = (mean_interval if metric in unbounded else share_interval)(values, seed)
                rows.append([*key, metric, subset, values.shape[1], values.mean(), low, high])
    return pd.DataFrame(rows, columns=METRICS_TABLE.names)


def curves_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, NDArray[np.float64]]:
    """Return what the scaled areas of all rows are made of, per network, method, layer and name of the curve."""
    curves: dict[str, list[Any]] = {}
    for row in rows:
        for name, column in KEPT_OF_CURVES.items():
            if column in row:
                names = (row["model"], row["run"], row["method"], row["layer"], name)
                curves.setdefault("/".join(names), []).append(row[column])
    return {key: np.array(of_rows) for key, of_rows in curves.items()}


def _right_everywhere(images: pd.DataFrame) -> set[str]:
    """Return the images that every network predicts right; none where labels are not comparable."""
    networks = images[images["model"] != CHANCE]
    if networks["label"].isna().any() or networks.empty:
        return set()
    right = (networks["label"] == networks["predicted"]).groupby(networks["image"]).all()
    return set(right.index[right.astype(bool)])


def pictures_of(arrays: Mapping[str, NDArray[Any]], facts: Sequence[Mapping[str, Any]]) -> list[Picture]:
    """Return the pictures that `picture_arrays` gave these arrays and facts."""
    pictures = []
    for row, picture in enumerate(facts):
        panels = [
            Panel(
                **panel,
                map=arrays[_key(row, panel)],
                pixels=arrays.get(f"{_key(row, panel)}/pixels"),
                mask=arrays.get(f"{_key(row, panel)}/mask"),
            )
            for panel in picture["panels"]
        ]
        pictures.append(
            Picture(
                image=picture["image"],
                pixels=arrays[f"{row}/pixels"],
                mask=arrays.get(f"{row}/mask"),
                label=picture["label"],
                target=picture["target"],
                panels=panels,
            )
        )
    return pictures


def picture_arrays(pictures: Sequence[Picture]) -> tuple[dict[str, NDArray[Any]], list[dict[str, Any]]]:
    """Return what a figure is drawn from: images, masks and raw maps, by the number of the image's row, and facts."""
    arrays: dict[str, NDArray[Any]] = {"images": np.array([picture.image for picture in pictures], dtype=str)}
    facts = []
    for row, picture in enumerate(pictures):
        arrays |= _array(f"{row}/pixels", picture.pixels) | _array(f"{row}/mask", picture.mask)
        panels = []
        for panel in picture.panels:
            of_panel = {name: getattr(panel, name) for name in PANEL_FACTS}
            key = _key(row, of_panel)
            arrays[key] = panel.map
            if not _same_view(panel, picture):
                arrays |= _array(f"{key}/pixels", panel.pixels) | _array(f"{key}/mask", panel.mask)
            panels.append(of_panel)
        facts.append({"image": picture.image, "label": picture.label, "target": picture.target, "panels": panels})
    return arrays, facts


def _key(row: int, panel: Mapping[str, Any]) -> str:
    return f"{row}/{panel['variant']}/{panel['run']}/{panel['method']}/{panel['layer'] or ''}"


def _array(key: str, array: NDArray[Any] | None) -> dict[str, NDArray[Any]]:
    return {} if array is None else {key: array}


def _same_view(panel: Panel, picture: Picture) -> bool:
    """Return whether a network sees the image as the first one does, so that its pixels need not be kept again."""
    if panel.pixels is None:
        return True
    if (panel.mask is None) != (picture.mask is None):
        return False
    masks_agree = panel.mask is None or np.array_equal(panel.mask, np.asarray(picture.mask))
    return masks_agree and np.array_equal(panel.pixels, picture.pixels)
