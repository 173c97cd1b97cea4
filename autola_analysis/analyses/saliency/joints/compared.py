"""What networks for joints are compared by, and what the command prints: metrics of maps of single joints."""

from __future__ import annotations

from collections.abc import Sequence

from autola_analysis.analyses.analysis import Lines
from autola_analysis.analyses.saliency.compared import statistics_of
from autola_analysis.analyses.saliency.items.lines import item_lines
from autola_analysis.analyses.saliency.items.result import ALL, means_per_image
from autola_analysis.analyses.saliency.joints.localise import JOINT_METRICS
from autola_analysis.analyses.saliency.joints.result import (
    JOINT,
    JointSaliencyResult,
    found_by_all,
    of_networks,
)
from autola_analysis.statistics.difference import Comparable

FIRST = next(iter(JOINT_METRICS))
PRINTED = ("energy_disc", "energy_partner", "energy_predicted")
ABOUT_SUBSET = "maps of networks for joints are compared on the joints that every network finds."


def joint_statistics(result: JointSaliencyResult) -> tuple[Sequence[Comparable], Sequence[str]]:
    """Return every metric of every method and layer over the joints that all networks find, and what to say."""
    several = len({model for model, _ in result.networks}) > 1
    joints = of_networks(found_by_all(result.joints))
    if joints.empty:
        return (), ()
    metrics = list(JOINT_METRICS)
    return statistics_of(means_per_image(joints, metrics), metrics), [ABOUT_SUBSET] if several else []


def joint_lines(result: JointSaliencyResult) -> Lines:
    """Return a line per variant, method and layer."""
    everything = result.metrics[result.metrics["subset"] == ALL]
    joints = {
        str(model): len(rows.drop_duplicates(JOINT)) for model, rows in result.joints.groupby("model", sort=False)
    }
    return item_lines(everything, "joints", joints, FIRST, FIRST, PRINTED)
