"""The tables of embeddings: declared, made of metrics, put together, and taken apart."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from autola_analysis.analyses.embedding.quality import Metric
from autola_analysis.analyses.object_items import IMAGES
from autola_analysis.core.columns import INTERVAL, ITEMS, MODEL, Column, count, number, text
from autola_analysis.core.tables import Table, rows_of

SPACE = (text("layer", "name of the layer"), text("space", "features or plane"))
SEED = Column("seed", "whole", "seed of the embedding; missing for the feature space, which has none")
QUALITY = Table(
    "embedding_quality",
    (
        *MODEL,
        *SPACE,
        text("metric", "what is measured"),
        SEED,
        number("value", "mean over images or objects; the KL divergence is a number of the whole embedding"),
        *INTERVAL,
        ITEMS,
    ),
    latex=True,
    not_printed=("items",),
)
SWEEP = Table(
    "embedding_knn",
    (
        *MODEL,
        *SPACE,
        SEED,
        count("k", "number of neighbours that vote"),
        number("value", "leave-one-out accuracy; of classes with equally many votes the first in order wins"),
        *INTERVAL,
    ),
    optional=True,
)
SEEDS = Table(
    "embedding_seeds",
    (
        *MODEL,
        text("layer", "name of the layer"),
        text("metric", "of the plane"),
        count("seeds", "number of embeddings of the same features"),
        number("lowest", "of these embeddings"),
        number("highest", "of these embeddings"),
    ),
    optional=True,
)


def metric_rows(
    table: Table, model: str, run: str, layer: str, metrics: Sequence[Metric], seed: int, items: str = IMAGES
) -> pd.DataFrame:
    """Return metrics as rows of `QUALITY` or `SWEEP`; the seed belongs to the plane alone."""
    rows = [
        {
            "model": model,
            "run": run,
            "layer": layer,
            "space": metric.space,
            "metric": metric.name,
            "seed": seed if metric.space == "plane" else None,
            "k": metric.k,
            "value": metric.value,
            "ci_low": metric.interval[0],
            "ci_high": metric.interval[1],
            "items": items,
        }
        for metric in metrics
    ]
    return pd.DataFrame(rows, columns=table.names).astype({"seed": "Int64"})


def merged(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the rows of several embeddings as one table; the feature space is the same for all seeds."""
    rows = pd.concat(tables, ignore_index=True)
    names = [name for name in rows.columns if name not in ("value", "ci_low", "ci_high", "items")]
    return rows.drop_duplicates(names, ignore_index=True)


def of_embedding(table: pd.DataFrame, model: str, run: str, layer: str, seed: int) -> pd.DataFrame:
    """Return the rows of one embedding: of its features, and of its plane."""
    rows = rows_of(table, model=model, run=run, layer=layer)
    own = (rows["space"] == "features") | rows["seed"].eq(seed).fillna(False)
    return rows[own.astype(bool)].reset_index(drop=True)


def of_features(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the feature space."""
    return table[table["space"] == "features"]


def seed_spread(quality: pd.DataFrame) -> pd.DataFrame:
    """Return how far each metric in the plane moves with the seed of the embedding.

    It describes the embedding, is no sample of anything, and decides nothing between networks.
    """
    plane = quality[quality["space"] == "plane"]
    groups = plane.groupby(["model", "run", "layer", "metric"], sort=False)
    spread = groups.agg(seeds=("seed", "nunique"), lowest=("value", "min"), highest=("value", "max")).reset_index()
    return spread[spread["seeds"] > 1].reset_index(drop=True)
