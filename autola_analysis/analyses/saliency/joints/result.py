"""The result of explaining networks for joints: a row per joint and map, means, the joint-to-joint matrix, pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import pandas as pd
from numpy.typing import NDArray

from autola_analysis.analyses.saliency.items.result import ALL, ItemsResult, metric_table, rows_found_by_all
from autola_analysis.analyses.saliency.joints.localise import JOINT_METRICS, PREDICTED, UNBOUNDED
from autola_analysis.analyses.saliency.result import (
    CHANCE,
    METRICS_TABLE,
    Picture,
)
from autola_analysis.core.columns import INTERVAL, MODEL, Column, count, number, text
from autola_analysis.core.results import Arrays, Format, Stored
from autola_analysis.core.tables import Table

JOINTS = Table(
    "saliency_joints",
    (
        *MODEL,
        Column("image", "image", "name of the image"),
        count("person", "number among the annotated people of the image"),
        text("joint", "name of the joint"),
        number("x", "centre of the heat map's cell that is explained, in pixels of the stored image"),
        number("y", "the same, downwards"),
        number("score", "value of the heat map there"),
        number("peak", "maximum of the heat map"),
        number("error_px", "distance of the maximum's cell from the label, in pixels of the stored image"),
        Column("found", "flag", "whether the joint's own OKS there is at least 0.5"),
        text("method", "name of the method, or of a map that knows nothing beyond the predicted joint"),
        text("layer", "layer; empty for methods without one"),
        text("status", "ok, zero, constant or non-finite"),
        number("support", "share of the layer's cells whose gradient is not zero"),
    ),
    optional=True,
)
JOINT_METRICS_TABLE = replace(METRICS_TABLE, name="saliency_joint_metrics", optional=True)
ABOUT_MATRIX = (
    text("method", "name of the method"),
    text("layer", "layer; empty for methods without one"),
    text("joint", "whose heat map is explained"),
    text("other", "around which the map is looked at"),
)
MATRIX = Table(
    "saliency_joint_matrix",
    (
        text("model", "name of the variant"),
        *ABOUT_MATRIX,
        count("people", "with both joints labelled and a map on any disc"),
        number("energy", "share of the joint's map around the other joint, of what lies around any; mean over images"),
        *INTERVAL,
    ),
    optional=True,
)
DIFFERENCES = Table(
    "saliency_joint_differences",
    (
        text("model", "name of the variant"),
        text("against", "name of the first variant"),
        *ABOUT_MATRIX,
        number("difference", "of the energies"),
        *INTERVAL,
    ),
    optional=True,
)
MAPS, SHARES = "saliency_joint_maps", "saliency_joint_shares"
FORMAT = Format("saliency of joints", (JOINTS, JOINT_METRICS_TABLE, MATRIX, DIFFERENCES), (MAPS, SHARES))
ALL_FOUND = "all-found"
JOINT = ["image", "person", "joint"]


@dataclass(frozen=True, repr=False)
class JointSaliencyResult(ItemsResult):
    """Where the maps of single joints lie, of some networks.

    Attributes:
        joints: A row per network, labelled joint and map, columns of `JOINTS` and one per metric.
        metrics: A row per network, method, layer, metric and subset, columns of `METRICS_TABLE`. The subset is all
            joints, or those that every network finds.
        matrix: Which other joints a joint's score looks at, columns of `MATRIX`.
        differences: Of the matrices from that of the first variant, columns of `DIFFERENCES`.
        shares: What matrices are the means of: by network, method and layer ``(P, J, J)`` over people, NaN where one of
            both joints is not labelled or the map lies on no disc; and under "images" the number of each one's image.
        pictures: Joints to show, each with its crop.
        settings: What else decided the numbers.
        warnings: Sentences that belong beside them.
    """

    FORMAT = FORMAT

    joints: pd.DataFrame
    metrics: pd.DataFrame
    matrix: pd.DataFrame
    differences: pd.DataFrame
    shares: Mapping[str, NDArray[Any]]
    pictures: Sequence[Picture] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def stored(self) -> Stored:
        """Return the result as tables and arrays."""
        tables = {
            JOINTS.name: self.joints,
            JOINT_METRICS_TABLE.name: self.metrics,
            MATRIX.name: self.matrix,
            DIFFERENCES.name: self.differences,
        }
        return Stored(tables, {MAPS: self._shown(), SHARES: Arrays(self.shares)})

    @classmethod
    def restored(cls, stored: Stored) -> Self:
        """Return the result of its tables and arrays."""
        return cls(
            joints=stored.tables[JOINTS.name],
            metrics=stored.tables[JOINT_METRICS_TABLE.name],
            matrix=stored.tables[MATRIX.name],
            differences=stored.tables[DIFFERENCES.name],
            shares=stored.arrays[SHARES].values,
            **cls._of_shown(stored, MAPS),
        )


def joints_frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return rows with the declared columns, and a column per metric."""
    frame = pd.DataFrame(rows, columns=[*JOINTS.names, *JOINT_METRICS])
    return frame.astype({"person": "int64", "found": bool})


def found_by_all(joints: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the joints that every network finds."""
    return rows_found_by_all(joints, JOINT, "found")


def joint_metric_table(joints: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Return `metric_table` over all joints, and over those that every network finds."""
    return metric_table({ALL: joints, ALL_FOUND: found_by_all(joints)}, list(JOINT_METRICS), UNBOUNDED, seed)


def of_networks(joints: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the networks' own maps."""
    return joints[(joints["model"] != CHANCE) & (joints["method"] != PREDICTED)]
