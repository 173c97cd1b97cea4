"""Declarations of the tables and arrays of an ablation, and the names of its measures."""

from __future__ import annotations

from autola_analysis.core.columns import INTERVAL, MODEL, Column, count, number, text
from autola_analysis.core.results import Format
from autola_analysis.core.tables import Table

NETWORK = (
    text("model", "name of the variant"),
    text("run", "training run within the variant; empty for a variant over all its runs, from three runs on"),
    text("layer", "name of the layer"),
)
ABLATION_TABLE = Table(
    "ablation",
    (
        *NETWORK,
        text(
            "measure",
            "accuracy: with no unit off; area_*: area under the accuracy curve of an order; loss_random: accuracy "
            "minus area_random; *_minus_random: difference of two areas; correlation: Spearman's, of selectivity and "
            "drop; spread_random: standard deviation of the area over random orders",
        ),
        Column("images", "count", "number of images"),
        number("value", "missing where it is not defined"),
        *INTERVAL,
    ),
    latex=True,
)
CURVE_TABLE = Table(
    "ablation_curves",
    (
        *NETWORK,
        text("order", "in which units are switched off: selective, reversed, random"),
        number("share", "of the live units that are off"),
        number("accuracy", "share of images whose label has the highest logit"),
        *INTERVAL,
    ),
)
UNIT_TABLE = Table(
    "ablation_units",
    (
        *MODEL,
        text("layer", "name of the layer"),
        count("unit", "number of the channel"),
        number("selectivity", "class selectivity index, 0 to 1; missing for dead units"),
        number("drop", "accuracy minus accuracy with this unit alone off"),
        count("lost", "images that are right, and wrong with the unit off"),
        count("gained", "images that are wrong, and right with the unit off"),
    ),
)
ARRAYS = "ablation"
FORMAT = Format("ablation", (ABLATION_TABLE, CURVE_TABLE, UNIT_TABLE), (ARRAYS,))

ACCURACY, CORRELATION, SPREAD = "accuracy", "correlation", "spread_random"
AREA_RANDOM, LOSS_RANDOM = "area_random", "loss_random"
SELECTIVE_MINUS_RANDOM, REVERSED_MINUS_RANDOM = "selective_minus_random", "reversed_minus_random"
