"""What variants are compared by: means over folds of images, their slope, distributions over units; the claims."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.selectivity.claims import CLAIMS, MEAN_SELECTIVITY, SLOPE
from autola_analysis.analyses.selectivity.compared import selectivity_statistics
from autola_analysis.analyses.selectivity.labelings import image_folds
from autola_analysis.analyses.selectivity.measure import measure_selectivity
from autola_analysis.analyses.selectivity.options import SelectivityOptions
from autola_analysis.analyses.selectivity.result import SelectivityResult
from autola_analysis.analyses.variants import Variant
from autola_analysis.data import ClutteredDigits, Preprocessing
from autola_analysis.statistics.compare import Comparison, compare
from tests.analyses.selectivity.naive import naive_blocks
from tests.analyses.selectivity.studies import selectivities, selectivity_result
from tests.analyses.selectivity.test_measure import PLAIN, class_sorted, stored
from tests.inference.networks import Tiny
from tests.statistics.studies import about
from tests.statistics.test_compare import row_of


def compared_with(candidate: str, results: Sequence[SelectivityResult]) -> Comparison:
    """Compare variants in selectivity alone; the warnings are those of the statistics too."""
    statistics, sentences = selectivity_statistics(results)
    found = compare(candidate, statistics, about(CLAIMS))
    return replace(found, warnings=(*sentences, *found.warnings))


def test_the_claims_are_those_of_the_paper() -> None:
    of_classifiers = about(CLAIMS)
    assert [(each.name, each.statistic, each.stage, each.direction, each.margin) for each in of_classifiers] == [
        ("less class selective in depth", MEAN_SELECTIVITY, "last", -1, 0.02),
        ("alike in the first stage", MEAN_SELECTIVITY, "first", 0, 0.02),
    ]
    assert {each.analysis for each in CLAIMS} == {"selectivity"}
    assert MEAN_SELECTIVITY == "corrected_mean_selectivity"


@pytest.mark.parametrize(("effect", "verdict"), [(0.1, "supported"), (-0.1, "contradicted")])
def test_planted_differences_decide_the_claims(effect: float, verdict: str) -> None:
    planted = {name: (0, -0.5 * each, -each) for name, each in (("none", 0.0), ("SE", 0.0), ("HOGA", effect))}
    claims = compared_with("HOGA", selectivities(planted, 3, 0.001, 0.001)).claims
    found = dict(zip(claims["claim"], claims["verdict"], strict=True))
    assert found.pop("alike in the first stage") == "equivalent"
    assert found == {"less class selective in depth": verdict}


@pytest.mark.parametrize("hidden", ["none", "HOGA"])
def test_selectivity_that_noise_hides_decides_no_claim_and_it_is_said(hidden: str) -> None:
    planted = {name: (0, -0.5 * each, -each) for name, each in (("none", 0.0), ("SE", 0.0), ("HOGA", 0.1))}
    results = selectivities(planted, 3, 0.001, 0.001)
    shown = compared_with("HOGA", results)
    for result in (result for result in results if result.model == hidden):
        result.summary.loc[result.summary["layer"] == "layer3", ["mean_corrected", "null_mean"]] = [0.3, 0.5]
    compared = compared_with("HOGA", results)
    claim = "less class selective in depth"
    rows = compared.claims[compared.claims["claim"] == claim].set_index("against")
    assert rows["verdict"].tolist() == ["undecided", "undecided"]
    assert rows.loc["none", "verdict_against"] == "undecided"
    assert rows.loc["SE", "verdict_against"] == ("undecided" if hidden == "HOGA" else "supported")
    numbers = ["value", "ci_low", "ci_high", "strict_low", "strict_high"]
    assert rows[numbers].equals(shown.claims[shown.claims["claim"] == claim].set_index("against")[numbers])
    sentence = f"the claim '{claim}' says nothing of {hidden}: noise may make up the whole {MEAN_SELECTIVITY} in"
    assert [text for text in compared.warnings if sentence in text]
    assert not [text for text in shown.warnings if "says nothing of" in text]


def test_the_jackknife_of_a_difference_leaves_the_same_folds_out_of_both_networks() -> None:
    data = class_sorted((20, 15, 25))
    torch.manual_seed(0)
    variants = [Variant(Tiny(), "SE"), Variant(Tiny(), "HOGA")]
    options = SelectivityOptions(layers=["layer2"], folds=5)
    results = measure_selectivity(variants, data, options, replace(PLAIN, batch_size=16))
    row = row_of(compared_with("HOGA", results).table, MEAN_SELECTIVITY, layer="layer2", against="SE")
    folds = image_folds(data.tensors[1].numpy(), 5, seed=0)
    se, hoga = (naive_blocks(*stored(each.model, data, "layer2"), folds) for each in variants)
    centre = (hoga - se).mean()
    half = stats.t.ppf(0.975, 4) * np.std(hoga - se, ddof=1) / np.sqrt(5)
    assert [row["value"], row["ci_low"], row["ci_high"]] == pytest.approx(
        [centre, centre - half, centre + half], abs=1e-6
    )
    assert (row["scope"], row["runs"]) == ("checkpoints", "1 v 1")


def test_variants_with_other_folds_are_compared_unpaired_and_it_is_said() -> None:
    results = selectivities({"SE": (0, 0, 0), "HOGA": (0, 0, 0)}, runs=1, fold_spread=0.1)
    moved = replace(results[1], settings={**results[1].settings, "seed": 7})
    paired, unpaired = (compared_with("HOGA", each) for each in (results, [results[0], moved]))
    assert any("not paired" in warning for warning in unpaired.warnings)
    assert not any("not paired" in warning for warning in paired.warnings)
    narrow, wide = (row_of(each.table, MEAN_SELECTIVITY, layer="layer2") for each in (paired, unpaired))
    assert wide["value"] == narrow["value"]
    assert wide["ci_high"] - wide["ci_low"] > 2 * (narrow["ci_high"] - narrow["ci_low"])
    errors = [9 / 10 * ((each.fold_means["layer2"] - each.fold_means["layer2"].mean()) ** 2).sum() for each in results]
    assert (wide["ci_high"] - wide["ci_low"]) / 2 == pytest.approx(stats.t.ppf(0.975, 9) * np.sqrt(sum(errors)))


def test_runs_with_different_folds_or_none_have_no_interval_and_it_is_said() -> None:
    results = selectivities({"SE": (0, 0, 0), "HOGA": (0, 0, 0)})
    odd = replace(results[0], settings={**results[0].settings, "seed": 7})
    compared = compared_with("HOGA", [odd, *results[1:]])
    row = row_of(compared.table, MEAN_SELECTIVITY, layer="layer1")
    assert np.isnan(row["ci_low"])
    assert row["value"] == pytest.approx(
        row_of(compared_with("HOGA", results).table, MEAN_SELECTIVITY, layer="layer1")["value"]
    )
    assert any("from SE have no interval" in warning for warning in compared.warnings)
    without = [replace(each, fold_means={}) for each in results]
    compared = compared_with("HOGA", without)
    assert row_of(compared.table, MEAN_SELECTIVITY, layer="layer1")[["ci_low", "ci_high"]].isna().all()
    assert any("plain, biased means and have no interval" in warning for warning in compared.warnings)


def test_networks_in_too_few_folds_are_compared_by_corrected_means_without_an_interval_and_it_is_said() -> None:
    data = class_sorted((20, 3, 25))
    results = measure_selectivity([Variant(Tiny(), "SE"), Variant(Tiny(), "HOGA")], data, reading=PLAIN)
    compared = compared_with("HOGA", results)
    assert any("in fewer than 4 folds of images" in warning for warning in compared.warnings)
    row = row_of(compared.table, MEAN_SELECTIVITY, layer="layer2")
    corrected = [each.summary.set_index("layer")["mean_corrected"]["layer2"] for each in results]
    assert row["value"] == pytest.approx(corrected[1] - corrected[0])
    assert np.isnan(row["ci_low"])


def test_a_corrected_mean_is_never_compared_with_a_plain_one() -> None:
    folds = {"layer3": np.full(10, 0.31)}
    results = [
        selectivity_result("SE", "1", {"layer3": 0.3}, folds), selectivity_result("HOGA", "1", {"layer3": 0.3}, {}),
    ]  # fmt: skip
    assert row_of(compared_with("HOGA", results).table, MEAN_SELECTIVITY)["value"] == 0
    both = [results[0], selectivity_result("HOGA", "1", {"layer3": 0.3}, {"layer3": np.full(10, 0.3)})]
    row = row_of(compared_with("HOGA", both).table, MEAN_SELECTIVITY)
    assert row["value"] == pytest.approx(0.3 - (10 * 0.3 - 9 * 0.31))


def test_the_slope_is_the_least_squares_slope_of_the_differences() -> None:
    planted = {"none": (0, 0, 0), "SE": (0, 0, 0), "HOGA": (0, -0.05, -0.1)}
    compared = compared_with("HOGA", selectivities(planted, 3, 0.001, 0.001))
    table = compared.table[(compared.table["statistic"] == MEAN_SELECTIVITY) & (compared.table["against"] == "SE")]
    slope = np.polyfit([1, 2, 3], table["value"], 1)[0]
    row = row_of(compared.table, SLOPE, against="SE", layer="layer1 to layer3")
    assert row["value"] == pytest.approx(slope)
    assert row["ci_low"] < slope < row["ci_high"]
    assert SLOPE not in set(compared.claims["statistic"])  # described, not judged


def test_a_slope_needs_two_stages_of_all_variants() -> None:
    results = selectivities({"SE": (0, 0, 0), "HOGA": (0, 0, 0)}, runs=1)
    one = [
        selectivity_result(each.model, each.run, {"layer3": 0.3}, {"layer3": each.fold_means["layer3"]})
        for each in results
    ]
    assert SLOPE not in set(compared_with("HOGA", one).table["statistic"])
    assert SLOPE not in set(compared_with("HOGA", [results[0], one[1]]).table["statistic"])


def test_the_order_of_runs_and_variants_does_not_matter() -> None:
    units = selectivities({"SE": (0, 0, 0), "HOGA": (0, 0, 0)})
    tables = [compared_with("HOGA", each).table for each in (units, units[::-1])]
    one, other = (table.sort_values(["statistic", "layer"], ignore_index=True) for table in tables)
    pd.testing.assert_frame_equal(one, other)


def test_distances_between_units_pool_runs_and_leave_dead_units_out() -> None:
    def result(model: str, run: str, values: list[float]) -> SelectivityResult:
        return selectivity_result(model, run, {"layer1": 0.5}, {}, {"layer1": values})

    results = [
        result("SE", "1", [0.1, 0.4]), result("SE", "2", [0.3, np.nan]),
        result("HOGA", "1", [0.2, 0.3]), result("HOGA", "2", [0.5, 0.6]),
    ]  # fmt: skip
    table = compared_with("HOGA", results).table
    # Of 12 pairs HOGA is larger in 1 + 1 + 3 + 3 and smaller in 2 + 1; 0.3 meets 0.3 once.
    assert row_of(table, "cliffs_delta")["value"] == pytest.approx((8 - 3) / 12)
    expected = stats.wasserstein_distance([0.2, 0.3, 0.5, 0.6], [0.1, 0.4, 0.3])
    row = row_of(table, "wasserstein")
    assert row["value"] == pytest.approx(expected)
    assert np.isnan(row["ci_low"])
    assert row["runs"] == "2 v 2"


def test_what_is_measured_can_be_compared() -> None:
    variants = [Variant(Tiny(), name, preprocessing=Preprocessing()) for name in ("SE", "HOGA")]
    reading = Reading(PLAIN.settings, batch_size=8)
    results = measure_selectivity(variants, ClutteredDigits("test", 60), reading=reading)
    compared = compared_with("HOGA", results)
    # Of so few images noise may be all that random networks show.
    assert all("says nothing of" in warning for warning in compared.warnings)
    assert list(dict.fromkeys(compared.claims["claim"])) == [claim.name for claim in about(CLAIMS)]
    means = [each.summary.set_index("layer")["mean_corrected"] for each in results]
    row = row_of(compared.table, MEAN_SELECTIVITY, layer="layer2")
    assert row["value"] == pytest.approx((means[1] - means[0])["layer2"])
    described = compared.table["statistic"].isin(["wasserstein", "cliffs_delta"])
    assert compared.table.loc[described, "ci_low"].isna().all()
    ranged = compared.table[~described]
    assert ((ranged["ci_low"] <= ranged["value"]) & (ranged["value"] <= ranged["ci_high"])).all()
