"""The result of explaining networks for joints: a row per joint and map, means, the joint-to-joint matrix, pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autola_analysis.analyses.saliency.joints.localise import JOINT_METRICS, PREDICTED, UNBOUNDED
from autola_analysis.analyses.saliency.result import (
    CHANCE,
    METRICS_TABLE,
    Picture,
    means_of,
    picture_arrays,
    pictures_of,
)
from autola_analysis.core.columns import INTERVAL, MODEL, Column, count, number, text
from autola_analysis.core.results import Arrays, Format, SavedResult, Stored
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
ALL, ALL_FOUND = "all", "all-found"
JOINT = ["image", "person", "joint"]


@dataclass(frozen=True, repr=False)
class JointSaliencyResult(SavedResult):
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

    @property
    def networks(self) -> list[tuple[str, str]]:
        """Names and runs of the networks, in order."""
        return [(str(model), str(run)) for model, run in self.settings["networks"]]

    def stored(self) -> Stored:
        """Return the result as tables and arrays."""
        pixels, pictures = picture_arrays(self.pictures)
        about = {"pictures": pictures, "settings": dict(self.settings), "warnings": list(self.warnings)}
        tables = {
            JOINTS.name: self.joints,
            JOINT_METRICS_TABLE.name: self.metrics,
            MATRIX.name: self.matrix,
            DIFFERENCES.name: self.differences,
        }
        return Stored(tables, {MAPS: Arrays(pixels, about), SHARES: Arrays(self.shares)})

    @classmethod
    def restored(cls, stored: Stored) -> Self:
        """Return the result of its tables and arrays."""
        maps = stored.arrays[MAPS]
        return cls(
            joints=stored.tables[JOINTS.name],
            metrics=stored.tables[JOINT_METRICS_TABLE.name],
            matrix=stored.tables[MATRIX.name],
            differences=stored.tables[DIFFERENCES.name],
            shares=stored.arrays[SHARES].values,
            pictures=pictures_of(maps.values, maps.about["pictures"]),
            settings=maps.about["settings"],
            warnings=tuple(maps.about["warnings"]),
        )

    def _repr_html_(self) -> str:
        html: str = self.metrics.to_html(index=False, float_format="{:.4f}".format)
        return html


def joints_frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return rows with the declared columns, and a column per metric."""
    frame = pd.DataFrame(rows, columns=[*JOINTS.names, *JOINT_METRICS])
    return frame.astype({"person": "int64", "found": bool})


def found_by_all(joints: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the joints that every network finds."""
    networks = joints[joints["model"] != CHANCE]
    by_joint = networks.groupby(JOINT, sort=False)["found"].all()
    found = set(by_joint.index[by_joint])
    keys = joints[JOINT].itertuples(index=False, name=None)
    return joints[np.array([key in found for key in keys], dtype=np.bool_)]


def per_image(joints: pd.DataFrame) -> pd.DataFrame:
    """Return the mean over the joints of every image: joints of an image are not independent of each other."""
    keys = ["model", "run", "method", "layer", "image"]
    return joints.groupby(keys, sort=False)[list(JOINT_METRICS)].mean().reset_index()


def joint_metric_table(joints: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Return the mean of each metric with a 95% interval: over images, each the mean of its joints.

    See `intervals.mean_interval`; from three runs on, intervals are over runs and images.
    """
    subsets = {ALL: per_image(joints), ALL_FOUND: per_image(found_by_all(joints))}
    return means_of(subsets, list(JOINT_METRICS), UNBOUNDED, seed)


def of_networks(joints: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the networks' own maps."""
    return joints[(joints["model"] != CHANCE) & (joints["method"] != PREDICTED)]
