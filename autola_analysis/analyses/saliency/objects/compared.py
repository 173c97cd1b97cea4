"""What detectors are compared by, and what the command prints: metrics of maps of single objects."""

from __future__ import annotations

from collections.abc import Sequence

from autola_analysis.analyses.analysis import Lines
from autola_analysis.analyses.saliency.compared import statistics_of
from autola_analysis.analyses.saliency.faithfulness import SCALED
from autola_analysis.analyses.saliency.items.lines import item_lines
from autola_analysis.analyses.saliency.items.result import ALL, means_per_image
from autola_analysis.analyses.saliency.objects.localise import OBJECT_METRICS, PREDICTED
from autola_analysis.analyses.saliency.objects.result import (
    OBJECT,
    ObjectSaliencyResult,
    detected_by_all,
    metrics_of,
    of_networks,
)
from autola_analysis.statistics.difference import Comparable

FIRST = next(iter(OBJECT_METRICS))
PRINTED = ("energy_box", "odi", PREDICTED, *SCALED)
ABOUT_SUBSET = "maps of detectors are compared on the objects that every network detects."


def object_statistics(result: ObjectSaliencyResult) -> tuple[Sequence[Comparable], Sequence[str]]:
    """Return every metric of every method and layer over the objects that all networks detect, and what to say."""
    several = len({model for model, _ in result.networks}) > 1
    objects = of_networks(detected_by_all(result.objects))
    if objects.empty:
        return (), ()
    metrics = metrics_of(objects)
    return statistics_of(means_per_image(objects, metrics), metrics), [ABOUT_SUBSET] if several else []


def object_lines(result: ObjectSaliencyResult) -> Lines:
    """Return a line per variant, method and layer."""
    everything = result.metrics[result.metrics["subset"] == ALL]
    objects = {
        str(model): len(rows.drop_duplicates(OBJECT)) for model, rows in result.objects.groupby("model", sort=False)
    }
    measured = set(everything["metric"])
    printed = [metric for metric in PRINTED if metric in measured]
    return item_lines(everything, "objects", objects, PREDICTED, FIRST if FIRST in measured else None, printed)
