"""How often the networks are right on the images that they explained."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from autola_analysis.analyses.saliency.result import CHANCE
from autola_analysis.analyses.variants import Variant
from autola_analysis.inference.tasks.accuracy import Accuracy, chance_warning


def accuracies_of(images: pd.DataFrame) -> dict[tuple[str, str], Accuracy]:
    """Return the accuracy of every model and run on the explained images; None where labels are not the head's.

    Args:
        images: Rows of a `SaliencyResult`.
    """
    accuracies = {}
    networks = images[images["model"] != CHANCE]
    for (model, run), rows in networks.groupby(["model", "run"], sort=False):
        once = rows.drop_duplicates("image")
        comparable = bool(once["label"].notna().all())
        top1 = float((once["label"] == once["predicted"]).mean()) if comparable else None
        accuracies[str(model), str(run)] = Accuracy(len(once), top1, None)
    return accuracies


def chance_warnings(variants: Sequence[Variant], images: pd.DataFrame, num_classes: int) -> list[str]:
    """Return a sentence for each network that is no better than chance on the explained images."""
    accuracies = accuracies_of(images)
    sentences = [
        chance_warning(variant.title, accuracies[variant.name, variant.run], num_classes)
        for variant in variants
        if (variant.name, variant.run) in accuracies  # of several processes, only the first has the rows
    ]
    return [sentence for sentence in sentences if sentence]
