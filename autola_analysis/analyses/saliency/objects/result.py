"""The result of explaining detectors: a row per object and map, means with intervals, and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import pandas as pd

from autola_analysis.analyses.saliency.items.result import ALL, ItemsResult, metric_table, rows_found_by_all
from autola_analysis.analyses.saliency.objects.localise import BOX_ONLY, OBJECT_METRICS, UNBOUNDED
from autola_analysis.analyses.saliency.result import (
    CHANCE,
    METRICS_TABLE,
    Picture,
)
from autola_analysis.core.columns import MODEL, Column, count, number, text
from autola_analysis.core.results import Format, Stored
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
        number("x1", "left edge of the box that the network predicts, in pixels of the stored image"),
        number("y1", "upper edge"),
        number("x2", "right edge"),
        number("y2", "lower edge"),
        number("score", "what is explained: the logit, or the margin over the background"),
        number("probability", "of the class; missing for a given box"),
        number("overlap", "IoU of that box with the object, or with the first network's detection; missing for these"),
        Column("detected", "flag", "whether a detection of its class overlaps it by an IoU of at least 0.5"),
        text("method", "name of the method, or of a map that knows nothing beyond the predicted box"),
        text("layer", "layer; empty for methods without one"),
        text("status", "ok, zero, constant or non-finite"),
        number("support", "share of the layer's cells whose gradient is not zero"),
    ),
    optional=True,
)
OBJECT_METRICS_TABLE = replace(METRICS_TABLE, name="saliency_object_metrics", optional=True)
MAPS = "saliency_object_maps"
FORMAT = Format("saliency of objects", (OBJECTS, OBJECT_METRICS_TABLE), (MAPS,))
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
    """

    FORMAT = FORMAT

    objects: pd.DataFrame
    metrics: pd.DataFrame
    pictures: Sequence[Picture] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def stored(self) -> Stored:
        """Return the result as tables and arrays."""
        tables = {OBJECTS.name: self.objects, OBJECT_METRICS_TABLE.name: self.metrics}
        return Stored(tables, {MAPS: self._shown()})

    @classmethod
    def restored(cls, stored: Stored) -> Self:
        """Return the result of its tables and arrays."""
        return cls(
            objects=stored.tables[OBJECTS.name],
            metrics=stored.tables[OBJECT_METRICS_TABLE.name],
            **cls._of_shown(stored, MAPS),
        )


def objects_frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return rows with the declared columns, and a column per metric."""
    frame = pd.DataFrame(rows, columns=[*OBJECTS.names, *OBJECT_METRICS])
    return frame.astype({"annotation": "Int64", "object": "int64", "detected": bool})


def detected_by_all(objects: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the objects that every detector detects."""
    return rows_found_by_all(objects, OBJECT, "detected")


def object_metric_table(objects: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Return `metric_table` over all objects, and over those that every detector detects."""
    return metric_table({ALL: objects, ALL_DETECTED: detected_by_all(objects)}, list(OBJECT_METRICS), UNBOUNDED, seed)


def of_networks(objects: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the networks' own maps."""
    return objects[(objects["model"] != CHANCE) & ~objects["method"].isin(BOX_ONLY)]
