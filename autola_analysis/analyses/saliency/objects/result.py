"""The result of explaining detectors: a row per object and map, means with intervals, and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autola_analysis.analyses.saliency.faithfulness import SCALED
from autola_analysis.analyses.saliency.items.result import ALL, ItemsResult, metric_table, rows_found_by_all
from autola_analysis.analyses.saliency.objects.localise import BOX_ONLY, OBJECT_METRICS, UNBOUNDED
from autola_analysis.analyses.saliency.result import (
    CHANCE,
    METRICS_TABLE,
    Picture,
)
from autola_analysis.analyses.saliency.sanity.result import SANITY, SanityResult
from autola_analysis.core.columns import MODEL, Column, count, number, text
from autola_analysis.core.results import Arrays, Format, Stored
from autola_analysis.core.tables import Table

OBJECTS = Table(
    "saliency_objects",
    (
        *MODEL,
        Column("image", "image", "name of the image"),
        count("object", "number among the objects of the image that are explained"),
        Column("annotation", "whole", "number among the annotated objects; missing for a detection that finds none"),
        text("class", "name of its class"),
        text("size", "small, medium or large by the annotated area, as COCO has it"),
        Column("candidate", "whole", "number of the default box or proposal that is explained; none for a given box"),
        number("candidate_iou", "of its box and the object, or the first network's detection; missing for these"),
        text("assigned", "how: overlapping by an IoU of 0.5, fallback where none does, detection, or given box"),
        number("x1", "left edge of the box that the network predicts, in pixels of the stored image"),
        number("y1", "upper edge"),
        number("x2", "right edge"),
        number("y2", "lower edge"),
        number("score", "what is explained: the logit, or the margin over the background"),
        number("probability", "of the class; missing for a given box"),
        Column("detected", "flag", "whether a detection of its class overlaps the object by an IoU of at least 0.5"),
        Column(
            "rank", "whole", "of the candidate among the image's detections, 1 is the strongest; missing if it is none"
        ),
        text("method", "name of the method, or of a map that knows nothing beyond the predicted box"),
        text("layer", "layer; empty for methods without one"),
        Column("level", "whole", "number of the feature map that the candidate is read from, 0 is the finest"),
        text("status", "ok, zero, constant or non-finite"),
        number("support", "share of the layer's cells whose gradient is not zero"),
    ),
    optional=True,
)
OBJECT_METRICS_TABLE = replace(METRICS_TABLE, name="saliency_object_metrics", optional=True)
MAPS, CURVES = "saliency_object_maps", "saliency_object_curves"
FORMAT = Format(
    "saliency of objects",
    (OBJECTS, OBJECT_METRICS_TABLE, *SanityResult.FORMAT.tables),
    (MAPS, CURVES, *SanityResult.FORMAT.arrays),
)
ALL_DETECTED = "all-detected"
OBJECT = ["image", "object"]


@dataclass(frozen=True, repr=False)
class ObjectSaliencyResult(ItemsResult):
    """Where the maps of single objects lie, of some detectors.

    Attributes:
        objects: A row per detector, object and map, columns of `OBJECTS` and one per metric.
        metrics: A row per detector, method, layer, metric and subset, columns of `METRICS_TABLE`. The subset is all
            objects, or those that every detector detects.
        pictures: Objects to show, each with its image.
        settings: What else decided the numbers.
        warnings: Sentences that belong beside them.
        curves: How surely an object is found while pixels enter or leave, ``(objects, steps + 1)`` by network, method,
            layer and "insertion" or "deletion", in the order of the rows of `objects`, and ``(objects,)`` by "emptied"
            where all have left: what the metrics insertion and deletion are the scaled areas of.
        sanity: What random weights leave of the maps of an object of some images; None without a sanity check.
    """

    FORMAT = FORMAT

    objects: pd.DataFrame
    metrics: pd.DataFrame
    pictures: Sequence[Picture] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    curves: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    sanity: SanityResult | None = None

    def stored(self) -> Stored:
        """Return the result as tables and arrays."""
        tables = {OBJECTS.name: self.objects, OBJECT_METRICS_TABLE.name: self.metrics}
        arrays = {MAPS: self._shown()} | ({CURVES: Arrays(self.curves)} if self.curves else {})
        checked = Stored() if self.sanity is None else self.sanity.stored()
        return Stored({**tables, **checked.tables}, {**arrays, **checked.arrays})

    @classmethod
    def restored(cls, stored: Stored) -> Self:
        """Return the result of its tables and arrays."""
        return cls(
            objects=stored.tables[OBJECTS.name],
            metrics=stored.tables[OBJECT_METRICS_TABLE.name],
            curves=stored.arrays[CURVES].values if CURVES in stored.arrays else {},
            sanity=SanityResult.restored(stored) if SANITY.name in stored.tables else None,
            **cls._of_shown(stored, MAPS),
        )


def objects_frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return rows with the declared columns, and a column per metric."""
    measured = [metric for metric in SCALED if any(metric in row for row in rows)]
    frame = pd.DataFrame(rows, columns=[*OBJECTS.names, *OBJECT_METRICS, *measured])
    whole = dict.fromkeys((column.name for column in OBJECTS.columns if column.kind == "whole"), "Int64")
    return frame.astype({**whole, "object": "int64", "detected": bool})


def detected_by_all(objects: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the objects that every detector detects."""
    return rows_found_by_all(objects, OBJECT, "detected")


def object_metric_table(objects: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Return `metric_table` over all objects, and over those that every detector detects."""
    subsets = {ALL: objects, ALL_DETECTED: detected_by_all(objects)}
    return metric_table(subsets, metrics_of(objects), (*UNBOUNDED, *SCALED), seed)


def metrics_of(objects: pd.DataFrame) -> list[str]:
    """Return the names of the metrics that were measured."""
    return [metric for metric in (*OBJECT_METRICS, *SCALED) if metric in objects]


def of_networks(objects: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the networks' own maps."""
    return objects[(objects["model"] != CHANCE) & ~objects["method"].isin(BOX_ONLY)]
