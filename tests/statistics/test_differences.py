"""Differences of two variants, and distances between distributions."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from autola_analysis.statistics.difference import Distribution, cliffs_delta, difference, values_per_image


@given(st.lists(st.integers(0, 9), min_size=1, max_size=20), st.lists(st.integers(0, 9), min_size=1, max_size=20))
def test_cliffs_delta_is_the_u_statistic_of_mann_and_whitney(ours: list[int], theirs: list[int]) -> None:
    a, b = np.array(ours, dtype=float), np.array(theirs, dtype=float)
    u = stats.mannwhitneyu(a, b, method="asymptotic").statistic
    assert cliffs_delta(a, b) == pytest.approx(2 * u / (len(a) * len(b)) - 1)


def test_without_any_image_in_common_there_is_no_difference() -> None:
    found = difference(np.array([[1.0, np.nan]]), np.array([[np.nan, 1.0]]))
    assert np.isnan([found.value, found.ci_low, found.ci_high]).all()


def test_unpaired_variants_keep_all_their_images() -> None:
    ours, theirs = np.array([[1.0, np.nan, 3.0]]), np.array([[np.nan, 1.0, 0.0]])
    found = difference(ours, theirs, paired=False)
    assert found.value == 2.0 - 0.5
    assert (found.runs, found.scope) == ("1 v 1", "checkpoints")


def test_distances_between_distributions_by_hand() -> None:
    units = Distribution(
        "units", "layer1", {"SE": np.array([0.1, 0.4, 0.3]), "HOGA": np.array([0.2, 0.3, 0.5, 0.6])},
        {"SE": 2, "HOGA": 2},
    )  # fmt: skip
    found = units.differences("HOGA", "SE")
    # Of 12 pairs HOGA is larger in 1 + 1 + 3 + 3 and smaller in 2 + 1; 0.3 meets 0.3 once.
    assert found["cliffs_delta"].value == pytest.approx((8 - 3) / 12)
    assert found["wasserstein"].value == pytest.approx(
        stats.wasserstein_distance([0.2, 0.3, 0.5, 0.6], [0.1, 0.4, 0.3])
    )
    assert np.isnan(found["wasserstein"].ci_low)
    assert found["wasserstein"].runs == "2 v 2"


def test_values_per_image_are_in_the_same_order_for_all_networks() -> None:
    rows = pd.DataFrame(
        {
            "model": ["B", "B", "A", "A", "A", "B"],
            "run": ["1", "1", "1", "1", "2", "2"],
            "image": ["y", "x", "x", "y", "y", "x"],
            "energy": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
        }
    )
    found = values_per_image(rows, "energy")
    assert list(found) == ["B", "A"]
    np.testing.assert_array_equal(found["B"], [[2, 1], [6, np.nan]])
    np.testing.assert_array_equal(found["A"], [[3, 4], [np.nan, 5]])
