"""COCO's metrics of the runs of variants, whatever was looked for: intervals, differences, words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from autola_analysis.analyses.evaluate.found_result import FoundResult, runs_of
from autola_analysis.statistics.difference import Comparable
from autola_analysis.statistics.intervals import RUNS_FOR_MODULES
from autola_analysis.statistics.resampled import Resampled, ResampledStatistic

ANALYSIS = "evaluate"


class CocoNumbers(Protocol):
    """The numbers of one network, see `DetectionNumbers` and `KeypointNumbers`."""

    @property
    def metrics(self) -> NDArray[np.float64]:
        """In the order of the task's metrics, ``(M,)``; NaN without objects."""

    @property
    def metrics_drawn(self) -> NDArray[np.float64]:
        """The same over images drawn again, ``(R, M)``."""

    @property
    def images(self) -> Any:
        """Number of images."""


def metric_of(runs: Sequence[CocoNumbers], metrics: Sequence[str], metric: str) -> Resampled:
    """Return a metric of some runs.

    Args:
        runs: Numbers of the runs.
        metrics: Names of all metrics, in the order of the numbers.
        metric: One of them.
    """
    place = list(metrics).index(metric)
    values = np.array([each.metrics[place] for each in runs], dtype=float)
    return Resampled(values, np.stack([each.metrics_drawn[:, place] for each in runs]), int(runs[0].images))


def known_metrics(numbers: Mapping[str, Sequence[CocoNumbers]], metrics: Sequence[str]) -> list[str]:
    """Return the metrics that the data have objects for."""
    return [
        metric
        for place, metric in enumerate(metrics)
        if not any(np.isnan(each.metrics[place]) for runs in numbers.values() for each in runs)
    ]


def metric_statistics(numbers: Mapping[str, Sequence[CocoNumbers]], metrics: Sequence[str]) -> list[Comparable]:
    """Return the metrics that variants are compared by: those that the data have objects for."""
    return [
        ResampledStatistic(
            ANALYSIS, "", metric, {name: metric_of(runs, metrics, metric) for name, runs in numbers.items()}
        )
        for metric in known_metrics(numbers, metrics)
    ]


def in_captions(results: Sequence[FoundResult]) -> str:
    """Return what a caption adds to "intervals over images"; nothing where every variant has one run."""
    several = any(len(runs) > 1 for runs in runs_of(results).values())
    return f"; from {RUNS_FOR_MODULES} training runs on, over runs and images together" if several else ""


def in_methods(results: Sequence[FoundResult]) -> str:
    """Return how the methods say that intervals are made, as the end of a sentence."""
    text = (
        "95% intervals are the number less its bias over the draws, plus and minus Student's quantile times the "
        "standard deviation over the draws"
    )
    if any(len(runs) >= RUNS_FOR_MODULES for runs in runs_of(results).values()):
        text += "; of the runs of a variant together, by components of variance over runs and images"
    return text + "."
