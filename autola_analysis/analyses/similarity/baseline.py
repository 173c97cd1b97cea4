"""The similarity of two variants beside that of two training runs of one variant."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, combinations_with_replacement
from typing import Any

import numpy as np

from autola_analysis.analyses.similarity.cka import FloatArray
from autola_analysis.analyses.similarity.compared import ComparedLayers, fold_interval
from autola_analysis.core.columns import INTERVAL, count, number, text
from autola_analysis.core.tables import Table
from autola_analysis.statistics.difference import Difference, difference, scope_of

PAIR = (text("layer", "name of the layer, in both"), text("model", "name of a variant"))
VARIANTS = Table(
    "similarity_variants",
    (
        *PAIR,
        text("against", "name of the other variant; the same for two training runs of one"),
        count("pairs", "number of pairs of networks"),
        number("cka", "mean over pairs"),
        *INTERVAL,
        number("lowest", "of the pairs"),
        number("highest", "of the pairs"),
    ),
    latex=True,
)
BASELINE = Table(
    "similarity_baseline",
    (
        *PAIR,
        text("against", "name of the other variant"),
        text("runs", "numbers of training runs"),
        number("cka", "mean over pairs of runs of the two variants"),
        number("within", "mean over pairs of runs of one variant, of both variants; missing without"),
        number("difference", "cka minus within"),
        *INTERVAL,
        text("scope", "checkpoints: the interval is over images; modules: over runs and images"),
        text("reading", "where the interval of the difference lies"),
    ),
    latex=True,
    not_printed=("reading",),
)
BELOW, NOT_BELOW = "below the baseline", "not below the baseline"
NO_BASELINE, NOT_MEASURED = "no baseline", "not measured"


def variant_rows(compared: ComparedLayers) -> Iterator[list[Any]]:
    """Yield the rows of `VARIANTS`; none for a variant with itself where it has a single run."""
    for model, against in combinations_with_replacement(compared.models, 2):
        for layer in compared.layers(model, against):
            pairs = compared.of_pairs(model, layer, against, layer)
            if len(pairs):
                means, values = pairs.mean(axis=1), pairs.mean(axis=0)
                interval = fold_interval(values)
                yield [layer, model, against, len(pairs), values.mean(), *interval, means.min(), means.max()]


def baseline_rows(compared: ComparedLayers) -> Iterator[list[Any]]:
    """Yield the rows of `BASELINE`."""
    for model, against in combinations(compared.models, 2):
        for layer in compared.layers(model, against):
            cka = float(compared.of_pairs(model, layer, against, layer).mean())
            beside = difference_to_baseline(compared, layer, model, against)
            yield [
                layer, model, against, beside.runs, cka, cka - beside.value, beside.value,
                *beside.interval, beside.scope, reading(cka, beside),
            ]  # fmt: skip


def difference_to_baseline(compared: ComparedLayers, layer: str, model: str, against: str) -> Difference:
    """Return the CKA of two variants minus the mean of what two runs of one and two of the other have.

    A network whose features resemble those of no other lowers both alike, so that the difference does not change. It is
    -1/2 of the squared distance of the two variants' mean Gram matrices, scaled and U-centred (Gretton et al. 2012), so
    that over all runs and images it is at most 0: 0 where networks of two variants differ as networks of one do.

    With d_r the mean CKA of run r with the other variant's runs less that with its own variant's, the difference is the
    mean of d_r over both variants' runs, halved and summed, while a run moves it by all of its d_r, being in pairs of
    both kinds (the projection of a U-statistic). So an interval is one of a sum of two means whose runs deviate by d_r:
    over images below three runs of either variant, from three on over runs and images, see `intervals`. Where variants
    do not differ, d_r says more of single pairs than of runs, and the interval is too wide: in simulations it then lay
    below 0 in under 1%, and held the truth in 95% to 99% everywhere (`benchmarks/COVERAGE.md`).

    References:
        Gretton, Borgwardt, Rasch, Schoelkopf and Smola, "A Kernel Two-Sample Test", JMLR 2012.
    """
    between = compared.of_runs(model, layer, against, layer)
    counts = between.shape[:2]
    if min(counts) < 2:
        nothing = float("nan")
        return Difference(nothing, nothing, nothing, f"{counts[0]} v {counts[1]}", scope_of(*counts))
    ours = _run_values(between.mean(axis=1), compared.of_runs(model, layer, model, layer))
    theirs = _run_values(between.mean(axis=0), compared.of_runs(against, layer, against, layer))
    return difference(ours, -theirs, folds=True)


def reading(cka: float, beside: Difference) -> str:
    """Say where a difference to the baseline lies."""
    if np.isnan(cka):
        return NOT_MEASURED
    if np.isnan(beside.value):
        return NO_BASELINE
    return BELOW if beside.ci_high < 0 else NOT_BELOW


def _run_values(with_other: FloatArray, within: FloatArray) -> FloatArray:
    """Return values of runs whose mean is half of that of d_r, and whose deviations are those of d_r, ``(n, F)``.

    Args:
        with_other: Mean CKA of every run with those of the other variant, ``(n, F)``.
        within: CKA of every run with every run of its variant, ``(n, n, F)``.
    """
    runs = len(within)
    with_own = np.array([np.delete(within[run], run, axis=0).mean(axis=0) for run in range(runs)])
    values: FloatArray = with_other - with_own
    return values - values.mean(axis=0) / 2
