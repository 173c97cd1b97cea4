"""A candidate against every other variant, in every statistic."""

import numpy as np
import pandas as pd
import pytest

from autola_analysis.core.errors import OptionError, UnknownNameError
from autola_analysis.statistics.compare import COMPARISON_TABLE, compare
from autola_analysis.statistics.difference import Distribution, Statistic
from autola_analysis.statistics.intervals import bootstrap_interval
from tests.statistics.studies import CLAIMS, per_image, unit_means


def row_of(table: pd.DataFrame, statistic: str, **where: str) -> pd.Series:
    chosen = table[table["statistic"] == statistic]
    for column, value in where.items():
        chosen = chosen[chosen[column] == value]
    (_, row), *more = chosen.iterrows()
    assert not more
    return row


def test_one_checkpoint_per_variant_speaks_for_checkpoints_and_three_for_modules() -> None:
    generator = np.random.default_rng(0)
    for runs, scope in ((1, "checkpoints"), (2, "checkpoints"), (3, "modules")):
        maps = per_image("maps", "energy", {"SE": generator.random((3, 30)), "HOGA": generator.random((runs, 30))})
        table = compare("HOGA", [*unit_means({"SE": (0, 0, 0), "HOGA": (0, 0, 0)}, runs), maps]).table
        assert table.columns.tolist() == COMPARISON_TABLE.names
        assert set(table["scope"]) == {scope}
        assert row_of(table, "energy")["runs"] == f"{runs} v 3"


def test_a_row_says_what_is_compared_and_holds_the_paired_difference() -> None:
    generator = np.random.default_rng(0)
    ours, theirs = generator.random((2, 40)), generator.random((1, 40))
    ours[1, 3] = theirs[0, 5] = np.nan
    row = row_of(compare("HOGA", [per_image("maps", "energy", {"SE": theirs, "HOGA": ours})]).table, "energy")
    kept = [image for image in range(40) if image not in (3, 5)]
    apart = (ours.mean(0) - theirs[0])[kept]
    assert row["value"] == pytest.approx(apart.mean())
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(bootstrap_interval(apart))
    assert (row["analysis"], row["layer"], row["model"], row["against"]) == ("maps", "layer3", "HOGA", "SE")


def test_the_order_of_runs_and_variants_does_not_matter() -> None:
    generator = np.random.default_rng(0)
    maps = per_image("maps", "energy", {"SE": generator.random((3, 30)), "HOGA": generator.random((4, 30))})
    units = unit_means({"SE": (0, 0, 0), "HOGA": (0, 0, 0)})
    turned = [
        Statistic(
            each.analysis,
            each.layer,
            each.name,
            {name: values[::-1] for name, values in reversed(each.values.items())},
            folds=each.folds,
            summary=each.summary,
        )
        for each in reversed([*units, maps])
    ]
    tables = [compare("HOGA", statistics).table for statistics in ([*units, maps], turned)]
    one, other = (table.sort_values(["statistic", "layer"], ignore_index=True) for table in tables)
    pd.testing.assert_frame_equal(one, other)


def test_the_candidate_is_compared_with_every_other_variant() -> None:
    table = compare("SE", unit_means({"none": (0, 0, 0), "SE": (0, 0, 0), "HOGA": (0, 0, 0)})).table
    assert set(table["model"]) == {"SE"}
    assert table[table["statistic"] == "mean_selectivity"]["against"].tolist() == ["none", "HOGA"] * 3


def test_a_statistic_of_some_variants_is_compared_among_them() -> None:
    units = unit_means({"none": (0, 0, 0), "SE": (0, 0, 0), "HOGA": (0, 0, 0)})
    maps = per_image("maps", "energy", {"SE": np.ones((1, 9)), "HOGA": np.ones((1, 9))})
    table = compare("HOGA", [*units, maps]).table
    assert table[table["statistic"] == "energy"]["against"].tolist() == ["SE"]
    assert maps.restricted({"SE"}).values.keys() == {"SE"}


def test_distributions_are_compared_and_decide_nothing() -> None:
    units = Distribution("units", "layer3", {"SE": np.zeros(3), "HOGA": np.ones(2)}, {"SE": 1, "HOGA": 2})
    compared = compare("HOGA", [units], CLAIMS)
    assert row_of(compared.table, "wasserstein")["value"] == 1
    assert row_of(compared.table, "cliffs_delta")["value"] == 1
    assert compared.table[["ci_low", "ci_high"]].isna().all(axis=None)
    assert set(compared.table["runs"]) == {"2 v 1"}
    assert compared.claims.empty


def test_nothing_to_compare_is_refused() -> None:
    statistics = unit_means({"SE": (0, 0, 0), "none": (0, 0, 0)})
    with pytest.raises(OptionError, match="needs results of two variants; found none"):
        compare("SE", [])
    with pytest.raises(OptionError, match="needs results of two variants; found SE"):
        compare("SE", [each.restricted({"SE"}) for each in statistics])
    with pytest.raises(UnknownNameError, match="no result of the candidate 'HOGA'; found SE, none"):
        compare("HOGA", statistics)
