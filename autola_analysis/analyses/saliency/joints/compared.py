"""What networks for joints are compared by, and what the command prints: metrics of maps of single joints."""

from __future__ import annotations

from collections.abc import Sequence

from autola_analysis.analyses.analysis import Lines
from autola_analysis.analyses.saliency.compared import statistics_of
from autola_analysis.analyses.saliency.joints.localise import JOINT_METRICS
from autola_analysis.analyses.saliency.joints.result import (
    ALL,
    JOINT,
    JointSaliencyResult,
    found_by_all,
    of_networks,
    per_image,
)
from autola_analysis.core.text import interval_text
from autola_analysis.statistics.difference import Comparable

FIRST = next(iter(JOINT_METRICS))
PRINTED = ("energy_disc", "energy_partner", "energy_predicted")
ABOUT_CLAIM = (
    "maps of networks for joints are compared on the joints that every network finds; the paper makes its statement "
    "about maps of classifiers, and it is tried here on joints."
)


def joint_statistics(result: JointSaliencyResult) -> tuple[Sequence[Comparable], Sequence[str]]:
    """Return every metric of every method and layer over the joints that all networks find, and what to say."""
    several = len({model for model, _ in result.networks}) > 1
    joints = of_networks(found_by_all(result.joints))
    if joints.empty:
        return (), ()
    return statistics_of(per_image(joints), list(JOINT_METRICS)), [ABOUT_CLAIM] if several else []


def joint_lines(result: JointSaliencyResult) -> Lines:
    """Return a line per variant, method and layer."""
    everything = result.metrics[result.metrics["subset"] == ALL]
    joints = {
        str(model): len(rows.drop_duplicates(JOINT)) for model, rows in result.joints.groupby("model", sort=False)
    }
    rows = []
    for (model, method, layer), group in everything.groupby(["model", "method", "layer"], sort=False):
        found = {str(row["metric"]): row for row in group.to_dict("records")}
        first = found[FIRST]
        cells = [str(first["images"]), str(joints[str(model)])]
        cells.append(f"{first['mean']:.4f} {interval_text(first['ci_low'], first['ci_high'])}".rstrip())
        cells += [f"{found[metric]['mean']:.4f}" if metric in found else "" for metric in PRINTED]
        rows.append([str(model), f"{method!s} {layer!s}".rstrip(), *cells])
    return Lines(["model", "map", "images", "joints", f"{FIRST}, 95% interval", *PRINTED], rows)
