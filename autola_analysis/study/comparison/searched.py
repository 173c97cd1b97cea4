"""Searched wirings of HOGA beside wirings that were drawn at random: accuracy, and what searching gains."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from autola_analysis.core.columns import INTERVAL, count, number, text
from autola_analysis.core.tables import Table
from autola_analysis.statistics.difference import Statistic
from autola_analysis.statistics.intervals import share_interval
from autola_analysis.study.file import DRAWS, Runs
from autola_analysis.study.models import StudyModel
from autola_analysis.study.networks import Network, accuracy_statistic
from autola_analysis.study.plan import Plan
from autola_analysis.study.wirings import number_of_wirings, wiring_of_spec

SEARCH_RANDOM_TABLE = Table(
    "search_random",
    (
        text("variant", "a variant of HOGA"),
        count("runs", "its training runs"),
        count("genotypes", "different wirings among them"),
        number("accuracy", "top-1 accuracy over all runs, a share"),
        *INTERVAL,
        number("relative_improvement", "100 (accuracy - that of random wirings) / that of random wirings, in per cent"),
        number("difference", "accuracy minus that of random wirings, a share"),
        number("diff_low", "lower limit of the 95% interval of the difference"),
        number("diff_high", "upper limit"),
        text("against", "the variant of random wirings; empty in its own row, which has no difference"),
        text("runs_are", f"trainings, searches, or {DRAWS} where the wiring was drawn at random"),
    ),
    latex=True,
    optional=True,
)


def random_wirings(models: Sequence[StudyModel]) -> list[str]:
    """Return the names of the variants whose wirings were drawn at random."""
    return _named(model for model in models if model.runs == DRAWS)


def searched_wirings(models: Sequence[StudyModel]) -> list[str]:
    """Return the names of the variants with HOGA whose wirings were not drawn at random."""
    return _named(model for model in models if model.runs != DRAWS and wiring_of_spec(model.variant.spec) is not None)


def _named(models: Iterable[StudyModel]) -> list[str]:
    return list(dict.fromkeys(model.variant.name for model in models))


def search_random_frame(plan: Plan, networks: Sequence[Network]) -> pd.DataFrame:
    """Return the rows of ``tables/search_random.csv``; none where a group has not both kinds of wirings.

    A row for every variant of random wirings, and one for every other variant of HOGA beside each of these. The
    relative improvement is that of Yang et al.

    Args:
        plan: The study.
        networks: Its networks with their accuracy.

    References:
        Yang et al., "NAS evaluation is frustratingly hard", ICLR 2020.
    """
    rows: list[dict[str, Any]] = []
    for accuracy in accuracy_statistic(networks):
        for models in plan.groups.values():
            measured = [model for model in models if model.variant.name in accuracy.values]
            drawn, searched = random_wirings(measured), searched_wirings(measured)
            if drawn and searched:
                runs_are = {model.variant.name: model.runs for model in measured}
                beside = [(name, other, runs_are[name]) for name in searched for other in drawn]
                pairs = [*beside, *((name, "", DRAWS) for name in drawn)]
                rows += [_row(name, other, kind, accuracy, measured, plan.file.seed) for name, other, kind in pairs]
    return SEARCH_RANDOM_TABLE.frame(rows)


def _row(
    name: str, other: str, runs_are: Runs, accuracy: Statistic, models: Sequence[StudyModel], seed: int
) -> dict[str, Any]:
    values = accuracy.values[name]
    low, high = share_interval(values, seed)
    row: dict[str, Any] = {
        "variant": name,
        "runs": len(values),
        "genotypes": number_of_wirings([model.variant.spec for model in models if model.variant.name == name]),
        "accuracy": values.mean(),
        "ci_low": low,
        "ci_high": high,
        "against": other,
        "runs_are": runs_are,
    }
    if not other:
        return row
    difference = accuracy.difference(name, other, seed)
    return row | {
        "relative_improvement": relative_improvement(float(values.mean()), float(accuracy.values[other].mean())),
        "difference": difference.value,
        "diff_low": difference.ci_low,
        "diff_high": difference.ci_high,
    }


def relative_improvement(accuracy: float, random: float) -> float:
    """Return by how many per cent of the accuracy of random wirings an accuracy is higher; NaN where that is 0.

    Example:
        >>> relative_improvement(0.75, 0.5)
        50.0
    """
    return 100 * (accuracy - random) / random if random else float("nan")
