"""What variants are compared by in features: neighbours and silhouettes, paired by the names of images."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from autola_analysis.analyses.embedding.claims import CLAIMS
from autola_analysis.analyses.embedding.compared import embedding_statistics
from autola_analysis.analyses.embedding.result import Embedding
from autola_analysis.statistics.compare import Comparison, compare
from autola_analysis.statistics.intervals import bootstrap_interval
from tests.statistics.studies import about
from tests.statistics.test_compare import row_of


def embedding(
    model: str, run: str, correct: np.ndarray, layer: str = "layer3", ids: Sequence[str] | None = None
) -> Embedding:
    """Return an embedding whose nearest neighbours get the given images right."""
    images = len(correct)
    return Embedding(
        coords=np.zeros((images, 2)),
        labels=np.zeros(images, dtype=np.int64),
        kl_divergence=1.0,
        params={"seed": 0},
        quality=pd.DataFrame(),
        ids=tuple(ids) if ids is not None else tuple(f"image {image:03}" for image in range(images)),
        classes=("a",),
        model=model,
        run=run,
        layer=layer,
        samples={("features", "knn_accuracy"): correct.astype(float), ("features", "silhouette"): correct - 0.5},
    )


def compared(embeddings: Sequence[Embedding]) -> Comparison:
    """Compare variants; the warnings are those of the statistics too."""
    statistics, sentences = embedding_statistics(embeddings)
    found = compare("HOGA", statistics, about(CLAIMS))
    return replace(found, warnings=(*sentences, *found.warnings))


def test_neighbours_and_silhouettes_are_paired_by_the_names_of_images() -> None:
    generator = np.random.default_rng(0)
    ours, theirs = generator.integers(2, size=50), generator.integers(2, size=50)
    turned = embedding("HOGA", "1", ours[::-1], ids=[f"image {image:03}" for image in reversed(range(50))])
    table = compared([embedding("SE", "1", theirs), turned, replace(turned, params={"seed": 1})]).table
    for metric in ("knn_accuracy", "silhouette"):
        row = row_of(table, metric, layer="layer3")
        assert row["value"] == pytest.approx((ours - theirs).mean())
        assert (row["ci_low"], row["ci_high"]) == pytest.approx(bootstrap_interval((ours - theirs).astype(float)))


def test_differences_are_made_of_influence_values_where_there_are_any() -> None:
    generator = np.random.default_rng(0)
    ours, theirs = generator.integers(2, size=50), generator.integers(2, size=50)
    spread = {name: values.mean() + 2 * (values - values.mean()) for name, values in (("a", ours), ("b", theirs))}
    found = [
        replace(embedding(model, "1", values), influence={("features", "knn_accuracy"): spread[name]})
        for model, values, name in (("SE", theirs, "b"), ("HOGA", ours, "a"))
    ]
    row = row_of(compared(found).table, "knn_accuracy", layer="layer3")
    assert row["value"] == pytest.approx((ours - theirs).mean())
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(bootstrap_interval(spread["a"] - spread["b"]))
    silhouette = row_of(compared(found).table, "silhouette", layer="layer3")
    assert silhouette["ci_high"] - silhouette["ci_low"] < row["ci_high"] - row["ci_low"]


def test_features_of_other_images_are_compared_where_they_meet() -> None:
    generator = np.random.default_rng(0)
    ours, theirs = generator.integers(2, size=50), generator.integers(2, size=40)
    found = compared([embedding("SE", "1", theirs), embedding("HOGA", "1", ours)])
    assert row_of(found.table, "knn_accuracy")["value"] == pytest.approx((ours[:40] - theirs).mean())
    assert any("only shared images" in warning for warning in found.warnings)
