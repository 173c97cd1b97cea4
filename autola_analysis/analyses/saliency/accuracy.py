"""How often the networks are right on the images that they explained."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from autola_analysis.analyses.saliency.result import CHANCE
from autola_analysis.analyses.variants import Variant
from autola_analysis.inference.tasks.accuracy import Accuracy, accuracy_warning


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


def accuracy_warnings(variants: Sequence[Variant], images: pd.DataFrame, num_classes: int) -> list[str]:
    """Return a sentence for each network that is worse than recorded, or like chance, on the explained images."""
    accuracies = accuracies_of(images)
    sentences = [
        accuracy_warning(variant.title, accuracies[variant.name, variant.run], num_classes, variant.recorded_accuracy)
        for variant in variants
        if (variant.name, variant.run) in accuracies  # of several processes, only the first has the rows
    ]
    return [sentence for sentence in sentences if sentence]
