"""The result of a selectivity analysis: tables, class means, how they came about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autola_analysis.analyses.object_items import IMAGES
from autola_analysis.analyses.selectivity.summary import LayerSelectivity
from autola_analysis.analyses.selectivity.top_images import TopImages
from autola_analysis.core.columns import ITEMS, MODEL, Column, count, number, text
from autola_analysis.core.results import Arrays, Format, NetworkResult, Stored
from autola_analysis.core.tables import Table, rows_of
from autola_analysis.inference.tasks.accuracy import Accuracy

UNITS = Table(
    "selectivity",
    (
        *MODEL,
        text("layer", "name of the layer"),
        count("unit", "number of the channel"),
        number("selectivity", "class selectivity index, 0 to 1; missing for dead units"),
        text("preferred_class", "class with the largest mean activity"),
        number("mean_preferred", "mean activity for that class"),
        number("mean_rest", "mean of the other classes' mean activities"),
        Column("dead", "flag", "whether the unit is zero for every image"),
        number(
            "preferred_stability",
            "share of the folds of images without which the unit prefers the same class; missing for dead units, and "
            "without folds",
        ),
        number(
            "auc",
            "area under the ROC curve of the activity for the preferred class, chosen on the other folds, against all "
            "other classes; missing where it was not asked for",
        ),
        ITEMS,
    ),
)
SUMMARY = Table(
    "selectivity_summary",
    (
        *MODEL,
        text("layer", "name of the layer"),
        count("units", "number of units"),
        count("dead", "units that are zero for every image, left out of all that follows"),
        number("mean", "mean selectivity over units, biased upward by the noise of class means"),
        number("mean_corrected", "the same less its bias, by a jackknife over images; missing without folds of images"),
        number("ci_low", "lower limit of the 95% interval around mean_corrected"),
        number("ci_high", "upper limit"),
        number("median", "over units"),
        number("q25", "lower quartile over units"),
        number("q75", "upper quartile over units"),
        number(
            "null_mean",
            "mean selectivity under permuted labels, biased as `mean` is: to be held beside that; objects exchange "
            "labels with objects of like size",
        ),
        number("null_free", "the same under labels permuted among objects of all sizes; missing for images"),
        count("subcell", "objects that are narrower or lower than a cell of the layer; 0 for images"),
        ITEMS,
    ),
    latex=True,
    not_printed=("null_free", "subcell", "items"),
)
FORMAT = Format("selectivity", (UNITS, SUMMARY), ("class_means", "fold_means", "half_means", "top_images"))


@dataclass(frozen=True, repr=False)
class SelectivityResult(NetworkResult):
    """Class selectivity of the layers of one network.

    Attributes:
        model: Name of the variant.
        run: Name of the training run within the variant.
        units: A row per unit, columns of `UNITS`.
        summary: A row per layer, columns of `SUMMARY`.
        class_means: Mean activity per layer, ``(K, C)``; NaN for classes without images.
        classes: Class names, length C.
        accuracy: Of the same pass.
        settings: What else decided the numbers: folds, permutations, seed, precision, ...
        warnings: Sentences that belong beside the numbers.
        fold_means: Mean selectivity per layer without each fold of images in turn, ``(F,)``; empty without folds.
        half_means: Per layer, per way of halving the folds, per half, the plain and the corrected mean, ``(5, 2, 2)``;
            empty below four folds. Corrected means and intervals can be made of these two and the plain mean again.
        top_images: Most activating images of every unit; None where they were not kept.
    """

    FORMAT = FORMAT

    model: str
    run: str
    units: pd.DataFrame
    summary: pd.DataFrame
    class_means: Mapping[str, NDArray[np.float64]]
    classes: tuple[str, ...]
    accuracy: Accuracy
    settings: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    fold_means: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    half_means: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    top_images: TopImages | None = None

    @property
    def items(self) -> str:
        """What activities were measured on: images, objects or joints."""
        return str(self.settings.get("items", IMAGES))

    @property
    def holds_objects(self) -> bool:
        """Whether the images hold objects, whatever was looked at of them."""
        return "images" in self.settings

    @property
    def items_per_class(self) -> Mapping[str, int]:
        """Images or objects of every class."""
        counts: Mapping[str, int] = self.settings[f"{self.items}_per_class"]
        return counts

    @property
    def layers(self) -> list[str]:
        """Names of the layers, in order."""
        return list(self.class_means)

    @classmethod
    def together(cls, results: Sequence[Self]) -> Stored:
        """Return the results of some networks as tables and arrays."""
        about = [
            {
                "model": each.model,
                "run": each.run,
                "layers": each.layers,
                "accuracy": asdict(each.accuracy),
                "settings": dict(each.settings),
                "warnings": list(each.warnings),
            }
            for each in results
        ]
        classes = {"classes": np.array(results[0].classes)}
        arrays = {
            "class_means": Arrays({**classes, **_keyed(results, "class_means")}, about),
            "fold_means": Arrays(_keyed(results, "fold_means")),
            "half_means": Arrays(_keyed(results, "half_means")),
        }
        if any(each.top_images for each in results):
            arrays["top_images"] = top_image_arrays(results)
        return Stored(
            {
                UNITS.name: pd.concat([each.units for each in results], ignore_index=True),
                SUMMARY.name: pd.concat([each.summary for each in results], ignore_index=True),
            },
            arrays,
        )

    @classmethod
    def apart(cls, stored: Stored) -> list[Self]:
        """Return the results that `together` gave these tables and arrays."""
        means = stored.arrays["class_means"]
        results = []
        for each in means.about:
            names = {"model": each["model"], "run": each["run"]}
            key = f"{each['model']}/{each['run']}"
            results.append(
                cls(
                    **names,
                    units=rows_of(stored.tables[UNITS.name], **names),
                    summary=rows_of(stored.tables[SUMMARY.name], **names),
                    class_means={layer: means.values[f"{key}/{layer}"] for layer in each["layers"]},
                    fold_means=_of_layers(stored.arrays["fold_means"], key, each["layers"]),
                    half_means=_of_layers(stored.arrays["half_means"], key, each["layers"]),
                    classes=tuple(means.values["classes"].tolist()),
                    accuracy=Accuracy(**each["accuracy"]),
                    settings=each["settings"],
                    warnings=tuple(each["warnings"]),
                    top_images=_top_images(stored.arrays.get("top_images"), key, each["layers"]),
                )
            )
        return results

    def _repr_html_(self) -> str:
        html: str = self.summary.to_html(index=False, float_format="{:.4f}".format)
        return html


def top_image_arrays(results: Sequence[SelectivityResult]) -> Arrays:
    """Return the most activating images of some networks, and the names of the images that are mentioned."""
    arrays: dict[str, NDArray[Any]] = {}
    names: dict[str, str] = {}
    for each in results:
        if each.top_images is None:
            continue
        for layer, images in each.top_images.images.items():
            key = f"{each.model}/{each.run}/{layer}"
            arrays |= {f"{key}/images": images, f"{key}/values": each.top_images.values[layer]}
        names |= {str(number): name for number, name in each.top_images.ids.items()}
    return Arrays(arrays, {"ids": dict(sorted(names.items(), key=lambda item: int(item[0])))})


def _top_images(stored: Arrays | None, key: str, layers: Sequence[str]) -> TopImages | None:
    if stored is None:
        return None
    kept = [layer for layer in layers if f"{key}/{layer}/images" in stored.values]
    images = {layer: stored.values[f"{key}/{layer}/images"] for layer in kept}
    numbers = {int(number) for each in images.values() for number in np.unique(each)}
    ids = {number: name for text, name in stored.about["ids"].items() if (number := int(text)) in numbers}
    return TopImages(images, {layer: stored.values[f"{key}/{layer}/values"] for layer in kept}, ids)


def _of_layers(arrays: Arrays, key: str, layers: Sequence[str]) -> dict[str, NDArray[Any]]:
    return {layer: arrays.values[f"{key}/{layer}"] for layer in layers if f"{key}/{layer}" in arrays.values}


def _keyed(results: Sequence[SelectivityResult], name: str) -> dict[str, NDArray[Any]]:
    return {
        f"{each.model}/{each.run}/{layer}": array for each in results for layer, array in getattr(each, name).items()
    }


def unit_rows(
    model: str,
    run: str,
    layer: str,
    result: LayerSelectivity,
    classes: tuple[str, ...],
    auc: NDArray[np.float64] | None = None,
    items: str = IMAGES,
) -> pd.DataFrame:
    """Return the rows of `SelectivityResult.units` for one layer."""
    index = result.index
    rows = pd.DataFrame(
        {
            "model": model,
            "run": run,
            "layer": layer,
            "unit": np.arange(len(index.values)),
            "selectivity": index.values,
            "preferred_class": ["" if label < 0 else classes[label] for label in index.preferred],
            "mean_preferred": index.mean_preferred,
            "mean_rest": index.mean_rest,
            "dead": index.dead,
            "preferred_stability": result.preferred_stability,
            "auc": float("nan") if auc is None else auc,
            "items": items,
        }
    )
    return rows[UNITS.names]


def summary_row(
    model: str, run: str, layer: str, result: LayerSelectivity, items: str = IMAGES, subcell: int = 0
) -> dict[str, Any]:
    """Return the row of `SelectivityResult.summary` for one layer."""
    values = result.index.values
    alive = values[~result.index.dead]
    q25, median, q75 = np.quantile(alive, [0.25, 0.5, 0.75]) if len(alive) else [float("nan")] * 3
    return {
        "model": model,
        "run": run,
        "layer": layer,
        "units": len(values),
        "dead": int(result.index.dead.sum()),
        "mean": result.mean,
        "mean_corrected": result.mean_corrected,
        "ci_low": result.interval[0],
        "ci_high": result.interval[1],
        "median": median,
        "q25": q25,
        "q75": q75,
        "null_mean": result.null_mean,
        "null_free": result.null_free,
        "subcell": subcell,
        "items": items,
    }
