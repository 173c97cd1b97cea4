"""Differences of variants: paired, with their scope; distances between distributions over units."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from autola_analysis.analyses.comparison import CLAIMS, compare
from autola_analysis.analyses.comparison.compare import COMPARISON_COLUMNS, cliffs_delta
from autola_analysis.analyses.comparison.statistics import difference
from autola_analysis.analyses.embedding.extract import extract_features
from autola_analysis.analyses.embedding.tsne import EmbeddingOptions, embed_all
from autola_analysis.analyses.intervals import bootstrap_interval
from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.saliency.measure import SaliencyOptions, measure_saliency
from autola_analysis.analyses.saliency.result import SaliencyResult
from autola_analysis.analyses.selectivity import SelectivityOptions, SelectivityResult, measure_selectivities
from autola_analysis.analyses.selectivity.labelings import image_folds
from autola_analysis.analyses.variants import Variant
from autola_analysis.core.errors import OptionError, UnknownNameError
from autola_analysis.data import ClutteredDigits, Preprocessing
from tests.analyses.comparison.studies import embedding, saliency_result, selectivities, selectivity_result
from tests.analyses.selectivity.naive import naive_selectivity
from tests.analyses.selectivity.test_measure import PLAIN, class_sorted, stored
from tests.inference.networks import Tiny


def row_of(table: pd.DataFrame, statistic: str, **where: str) -> pd.Series:
    chosen = table[table["statistic"] == statistic]
    for column, value in where.items():
        chosen = chosen[chosen[column] == value]
    (_, row), *more = chosen.iterrows()
    assert not more
    return row


def test_the_jackknife_of_a_difference_leaves_the_same_folds_out_of_both_networks() -> None:
    data = class_sorted((20, 15, 25))
    torch.manual_seed(0)
    variants = [Variant(Tiny(), "SE"), Variant(Tiny(), "HOGA")]
    results, _ = measure_selectivities(
        variants, data, ["layer2"], SelectivityOptions(folds=5), Reading(PLAIN, batch_size=16)
    )
    row = row_of(compare("HOGA", results).table, "mean_selectivity", layer="layer2", against="SE")
    folds = image_folds(data.tensors[1].numpy(), 5, seed=0)

    def naive(variant: Variant, kept: np.ndarray) -> float:
        activations, labels = stored(variant.model, data, "layer2")
        return float(np.nanmean(naive_selectivity(activations[kept], labels[kept])))

    def both(kept: np.ndarray) -> float:
        return naive(variants[1], kept) - naive(variants[0], kept)

    theta = np.array([both(folds != fold) for fold in range(5)])
    half = stats.t.ppf(0.975, 4) * np.sqrt(4 / 5 * ((theta - theta.mean()) ** 2).sum())
    centre = both(folds >= 0)
    assert [row["value"], row["ci_low"], row["ci_high"]] == pytest.approx(
        [centre, centre - half, centre + half], abs=1e-6
    )
    assert (row["scope"], row["runs"]) == ("checkpoints", "1 v 1")


def test_variants_with_other_folds_are_compared_unpaired_and_it_is_said() -> None:
    results = selectivities({"SE": (0, 0, 0), "HOGA": (0, 0, 0)}, runs=1, fold_spread=0.1)
    moved = replace(results[1], settings={**results[1].settings, "seed": 7})
    paired, unpaired = (compare("HOGA", each) for each in (results, [results[0], moved]))
    assert any("not paired" in warning for warning in unpaired.warnings)
    assert not any("not paired" in warning for warning in paired.warnings)
    narrow, wide = (row_of(each.table, "mean_selectivity", layer="layer2") for each in (paired, unpaired))
    assert wide["value"] == narrow["value"]
    assert wide["ci_high"] - wide["ci_low"] > 2 * (narrow["ci_high"] - narrow["ci_low"])
    errors = [9 / 10 * ((each.fold_means["layer2"] - each.fold_means["layer2"].mean()) ** 2).sum() for each in results]
    assert (wide["ci_high"] - wide["ci_low"]) / 2 == pytest.approx(stats.t.ppf(0.975, 9) * np.sqrt(sum(errors)))


def test_runs_with_different_folds_or_none_have_no_interval_and_it_is_said() -> None:
    results = selectivities({"SE": (0, 0, 0), "HOGA": (0, 0, 0)})
    odd = replace(results[0], settings={**results[0].settings, "seed": 7})
    compared = compare("HOGA", [odd, *results[1:]])
    row = row_of(compared.table, "mean_selectivity", layer="layer1")
    assert np.isnan(row["ci_low"])
    assert row["value"] == pytest.approx(
        row_of(compare("HOGA", results).table, "mean_selectivity", layer="layer1")["value"]
    )
    assert any("from SE have no interval" in warning for warning in compared.warnings)
    without = [replace(each, fold_means={}) for each in results]
    compared = compare("HOGA", without)
    assert row_of(compared.table, "mean_selectivity", layer="layer1")[["ci_low", "ci_high"]].isna().all()
    assert any("without image folds" in warning for warning in compared.warnings)


def test_one_checkpoint_per_variant_speaks_for_checkpoints_and_three_for_modules() -> None:
    generator = np.random.default_rng(0)
    for runs, scope in ((1, "checkpoints"), (2, "checkpoints"), (3, "modules")):
        saliency = saliency_result({"SE": generator.random((3, 30)), "HOGA": generator.random((runs, 30))})
        table = compare("HOGA", selectivities({"SE": (0, 0, 0), "HOGA": (0, 0, 0)}, runs), saliency).table
        assert table.columns.tolist() == COMPARISON_COLUMNS
        assert set(table["scope"]) == {scope}
        assert row_of(table, "grad-cam energy")["runs"] == f"{runs} v 3"


def test_maps_are_compared_on_the_images_that_have_an_object() -> None:
    generator = np.random.default_rng(0)
    ours, theirs = generator.random((2, 40)), generator.random((1, 40))
    ours[1, 3] = theirs[0, 5] = np.nan
    row = row_of(compare("HOGA", saliency=saliency_result({"SE": theirs, "HOGA": ours})).table, "grad-cam energy")
    kept = [image for image in range(40) if image not in (3, 5)]
    apart = (ours.mean(0) - theirs[0])[kept]
    assert row["value"] == pytest.approx(apart.mean())
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(bootstrap_interval(apart))
    assert (row["analysis"], row["layer"], row["model"], row["against"]) == ("saliency", "layer3", "HOGA", "SE")


def test_the_order_of_images_runs_and_variants_does_not_matter() -> None:
    generator = np.random.default_rng(0)
    saliency = saliency_result({"SE": generator.random((3, 30)), "HOGA": generator.random((4, 30))})
    shuffled = SaliencyResult(saliency.images.sample(frac=1, random_state=1), saliency.metrics)
    units = selectivities({"SE": (0, 0, 0), "HOGA": (0, 0, 0)})
    tables = [compare("HOGA", units, saliency).table, compare("HOGA", units[::-1], shuffled).table]
    one, other = (table.sort_values(["statistic", "layer"], ignore_index=True) for table in tables)
    pd.testing.assert_frame_equal(one, other)


def test_neighbours_and_silhouettes_are_paired_by_the_names_of_images() -> None:
    generator = np.random.default_rng(0)
    ours, theirs = generator.integers(2, size=50), generator.integers(2, size=50)
    turned = embedding("HOGA", "1", ours[::-1], ids=[f"image {image:03}" for image in reversed(range(50))])
    table = compare(
        "HOGA", embeddings=[embedding("SE", "1", theirs), turned, replace(turned, params={"seed": 1})]
    ).table
    for metric in ("knn_accuracy", "silhouette"):
        row = row_of(table, metric, layer="layer3")
        assert row["value"] == pytest.approx((ours - theirs).mean())
        assert (row["ci_low"], row["ci_high"]) == pytest.approx(bootstrap_interval((ours - theirs).astype(float)))


def test_features_of_other_images_are_compared_where_they_meet() -> None:
    generator = np.random.default_rng(0)
    ours, theirs = generator.integers(2, size=50), generator.integers(2, size=40)
    compared = compare("HOGA", embeddings=[embedding("SE", "1", theirs), embedding("HOGA", "1", ours)])
    assert row_of(compared.table, "knn_accuracy")["value"] == pytest.approx((ours[:40] - theirs).mean())
    assert any("only shared images" in warning for warning in compared.warnings)


def test_accuracy_is_paired_where_there_are_predictions() -> None:
    generator = np.random.default_rng(0)
    correct = {"SE": generator.integers(2, size=(1, 60)), "HOGA": generator.integers(2, size=(1, 60))}
    saliency = saliency_result({name: np.full((1, 60), 0.5) for name in correct}, correct)
    units = selectivities({"SE": (0, 0, 0), "HOGA": (0, 0, 0)}, runs=1)
    row = row_of(compare("HOGA", units, saliency).table, "top1")
    apart = (correct["HOGA"] - correct["SE"])[0].astype(float)
    assert row["value"] == pytest.approx(apart.mean())
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(bootstrap_interval(apart))
    of_passes = row_of(compare("HOGA", units).table, "top1")
    assert of_passes["value"] == 0
    assert np.isnan(of_passes["ci_low"])


def test_distances_between_units_pool_runs_and_leave_dead_units_out() -> None:
    def result(model: str, run: str, values: list[float]) -> SelectivityResult:
        return selectivity_result(model, run, {"layer1": 0.5}, {}, {"layer1": values})

    results = [
        result("SE", "1", [0.1, 0.4]), result("SE", "2", [0.3, np.nan]),
        result("HOGA", "1", [0.2, 0.3]), result("HOGA", "2", [0.5, 0.6]),
    ]  # fmt: skip
    table = compare("HOGA", results).table
    # Of 12 pairs HOGA is larger in 1 + 1 + 3 + 3 and smaller in 2 + 1; 0.3 meets 0.3 once.
    assert row_of(table, "cliffs_delta")["value"] == pytest.approx((8 - 3) / 12)
    expected = stats.wasserstein_distance([0.2, 0.3, 0.5, 0.6], [0.1, 0.4, 0.3])
    row = row_of(table, "wasserstein")
    assert row["value"] == pytest.approx(expected)
    assert np.isnan(row["ci_low"])
    assert row["runs"] == "2 v 2"


@given(st.lists(st.integers(0, 9), min_size=1, max_size=20), st.lists(st.integers(0, 9), min_size=1, max_size=20))
def test_cliffs_delta_is_the_u_statistic_of_mann_and_whitney(ours: list[int], theirs: list[int]) -> None:
    a, b = np.array(ours, dtype=float), np.array(theirs, dtype=float)
    u = stats.mannwhitneyu(a, b, method="asymptotic").statistic
    assert cliffs_delta(a, b) == pytest.approx(2 * u / (len(a) * len(b)) - 1)


def test_the_candidate_is_compared_with_every_other_variant() -> None:
    table = compare("SE", selectivities({"none": (0, 0, 0), "SE": (0, 0, 0), "HOGA": (0, 0, 0)})).table
    assert set(table["model"]) == {"SE"}
    assert table[table["statistic"] == "mean_selectivity"]["against"].tolist() == ["none", "HOGA"] * 3


def test_without_any_image_in_common_there_is_no_difference() -> None:
    found = difference(np.array([[1.0, np.nan]]), np.array([[np.nan, 1.0]]))
    assert np.isnan([found.value, found.ci_low, found.ci_high]).all()


def test_nothing_to_compare_is_refused() -> None:
    results = selectivities({"SE": (0, 0, 0), "none": (0, 0, 0)})
    with pytest.raises(OptionError, match="needs results of two variants; found none"):
        compare("SE")
    with pytest.raises(OptionError, match="needs results of two variants; found SE"):
        compare("SE", results[:3])
    with pytest.raises(UnknownNameError, match="no result of the candidate 'HOGA'; found SE, none"):
        compare("HOGA", results)


def test_what_the_analyses_measure_can_be_compared() -> None:
    variants = [Variant(Tiny(), name, preprocessing=Preprocessing()) for name in ("SE", "HOGA")]
    source, reading = ClutteredDigits("test", 24), Reading(PLAIN, batch_size=8)
    units, _ = measure_selectivities(variants, source, reading=reading)
    maps = measure_saliency(variants, source, SaliencyOptions(("grad-cam", "gradient")), reading)
    features = [extract_features(variant, source, "layer2", settings=PLAIN) for variant in variants]
    embeddings = embed_all(features, EmbeddingOptions("pca", device="cpu"), quiet=True)
    compared = compare("HOGA", units, maps, embeddings)
    assert compared.warnings == ()
    assert list(dict.fromkeys(compared.claims["claim"])) == [claim.name for claim in CLAIMS]
    metrics = maps.metrics[(maps.metrics["subset"] == "all") & (maps.metrics["method"] == "gradient")]
    means = metrics[metrics["metric"] == "energy"].set_index("model")["mean"]
    row = row_of(compared.table, "gradient energy")
    assert row["value"] == pytest.approx(means["HOGA"] - means["SE"])
    assert row["layer"] == ""
    described = compared.table["statistic"].isin(["wasserstein", "cliffs_delta"])
    assert compared.table.loc[described, "ci_low"].isna().all()
    ranged = compared.table[~described]
    assert ((ranged["ci_low"] <= ranged["value"]) & (ranged["value"] <= ranged["ci_high"])).all()
    accuracies = [result.accuracy.top1 for result in units]
    assert row_of(compared.table, "top1")["value"] == pytest.approx(accuracies[1] - accuracies[0])
