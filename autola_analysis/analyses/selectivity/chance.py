"""Where noise may make up all class selectivity: what permuted labels give is more than what is left of it."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from autola_analysis.analyses.selectivity.result import SelectivityResult


def below_chance(results: Sequence[SelectivityResult]) -> dict[tuple[str, str], tuple[float, float]]:
    """Return chance level and corrected mean of the variants and layers where the latter is the smaller one.

    The jackknife takes off a bias that falls as one over the number of images. Where classes do not differ, that of the
    index falls as its root, and much of it stays: a corrected mean below chance may hold nothing else.

    Both are means over the runs of a variant. These are what variants are compared by, so that what is warned about is
    what decides no claim; of a single run both waver more.

    Returns:
        By name of the variant and of the layer.
    """
    rows = pd.concat([result.summary for result in results], ignore_index=True)
    columns = ["null_mean", "mean_corrected"]
    means = rows.astype(dict.fromkeys(columns, float)).groupby(["model", "layer"], sort=False)[columns].mean()
    return {
        (str(model), str(layer)): (chance, corrected)
        for (model, layer), (chance, corrected) in zip(means.index, means.itertuples(index=False), strict=True)
        if chance > corrected
    }
