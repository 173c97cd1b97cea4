"""The result of measuring saliency: a row per image and map, means with intervals, and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autola_analysis.analyses.intervals import mean_interval
from autola_analysis.analyses.saliency.localisation import METRICS

IMAGE_COLUMNS = ["model", "run", "image", "label", "predicted", "target", "score", "method", "layer", "status"]
METRIC_COLUMNS = ["model", "method", "layer", "metric", "subset", "images", "mean", "ci_low", "ci_high"]
ALL_METRICS = (*METRICS, "insertion", "deletion")
CHANCE = "chance"


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


@dataclass(frozen=True)
class SaliencyResult:
    """Where the maps of some networks lie.

    Attributes:
        images: A row per network, image and map, columns `IMAGE_COLUMNS` and one per metric; ``label`` is empty where
            the labels are not the head's, a metric where the image has no mask.
        metrics: A row per variant, method, layer, metric and subset, columns `METRIC_COLUMNS`; the variant "chance"
            holds the maps that know nothing.
        pictures: Images to show.
        settings: What else decided the numbers.
        warnings: Sentences that belong beside them.
    """

    images: pd.DataFrame
    metrics: pd.DataFrame
    pictures: Sequence[Picture] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

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
    images = pd.DataFrame(rows, columns=[*IMAGE_COLUMNS, *measured])
    for column in ("label", "predicted", "target"):
        images[column] = images[column].astype("Int64")
    return SaliencyResult(images, metric_table(images, measured, seed), pictures, settings, tuple(warnings))


def metric_table(images: pd.DataFrame, metrics: Sequence[str], seed: int = 0) -> pd.DataFrame:
    """Return the mean of each metric with a 95% interval: over images, from three runs on over runs and images.

    The subsets are all images, and those that every network predicts right. All metrics are shares, and so are the
    limits. See `intervals.mean_interval`.
    """
    names = list(dict.fromkeys(images["image"]))
    right = _right_everywhere(images)
    subsets = {"all": names} | ({"all-correct": [name for name in names if name in right]} if right else {})
    rows = []
    for (model, method, layer), group in images.groupby(["model", "method", "layer"], sort=False):
        for metric in metrics:
            table = group.pivot(index="run", columns="image", values=metric)
            for subset, members in subsets.items():
                values = table.reindex(columns=members).to_numpy(float)
                values = values[:, ~np.isnan(values).any(0)]
                if not values.size:
                    continue
                low, high = np.clip(mean_interval(values, seed), 0, 1)
                row = [model, method, layer, metric, subset, values.shape[1], values.mean(), low, high]
                rows.append(row)
    return pd.DataFrame(rows, columns=METRIC_COLUMNS)


def _right_everywhere(images: pd.DataFrame) -> set[str]:
    """Return the images that every network predicts right; none where labels are not comparable."""
    networks = images[images["model"] != CHANCE]
    if networks["label"].isna().any() or networks.empty:
        return set()
    right = (networks["label"] == networks["predicted"]).groupby(networks["image"]).all()
    return set(right.index[right.astype(bool)])
