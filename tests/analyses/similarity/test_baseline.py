"""Variants beside their baseline: against sums written out, and planted variants."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from autola_analysis.analyses.similarity.baseline import (
    BASELINE,
    BELOW,
    NO_BASELINE,
    NOT_BELOW,
    NOT_MEASURED,
    VARIANTS,
    difference_to_baseline,
)
from autola_analysis.analyses.similarity.cka import cka_of, hsic_by_fold, minibatches
from autola_analysis.analyses.similarity.compared import ComparedLayers, Place
from autola_analysis.analyses.similarity.result import SimilarityResult, compared_layers
from benchmarks.simulations.similarity import POPULATIONS, SIMULATIONS, true_cka
from benchmarks.simulations.simulation import Simulation, rates

IMAGES = 120


def planted(runs: dict[str, int], apart: float, *, layers: int = 1, spread: float = 0.5) -> SimilarityResult:
    """Return the result of variants whose runs share features, those of one variant more than others."""
    generator = np.random.default_rng(0)
    shared = generator.normal(size=(IMAGES, 10))
    places, features = [], []
    for name, count in runs.items():
        own = apart * generator.normal(size=(IMAGES, 10))
        for run in range(count):
            for layer in range(layers):
                places.append(Place(name, str(run + 1), f"layer{layer + 1}"))
                features.append(shared + own + spread * generator.normal(size=(IMAGES, 10)))
    return SimilarityResult(tuple(places), hsic_by_fold(features, minibatches(IMAGES, IMAGES, 0)))


def test_the_difference_is_the_mean_over_pairs_of_two_variants_minus_that_over_pairs_of_one() -> None:
    result = planted({"a": 3, "b": 2}, apart=0.5)
    cka = cka_of(result.hsic)
    between = np.mean([cka[i, j] for i in (0, 1, 2) for j in (3, 4)])
    a, b = np.mean([cka[0, 1], cka[0, 2], cka[1, 2]]), cka[3, 4]
    (row,) = result.baseline.to_dict("records")
    assert row["cka"] == pytest.approx(between)
    assert row["within"] == pytest.approx((a + b) / 2)
    assert row["difference"] == pytest.approx(between - (a + b) / 2)
    assert (row["runs"], row["scope"]) == ("3 v 2", "checkpoints")
    means = result.variants.set_index(["model", "against"])
    assert means.loc[("a", "a"), ["pairs", "cka"]].tolist() == pytest.approx([3, a])
    assert means.loc[("b", "b"), ["pairs", "cka"]].tolist() == pytest.approx([1, b])
    assert means.loc[("a", "b"), ["pairs", "lowest"]].tolist() == pytest.approx([6, cka[:3, 3:].min()])
    assert means.loc[("a", "b"), "highest"] == pytest.approx(cka[:3, 3:].max())


def test_the_interval_over_images_is_students_over_the_folds() -> None:
    result = planted({"a": 2, "b": 2}, apart=0.5)
    values = compared_layers(result).values
    folds = values[:, :2, 2:].mean(axis=(1, 2)) - (values[:, 0, 1] + values[:, 2, 3]) / 2
    expected = stats.t.interval(0.95, len(folds) - 1, folds.mean(), stats.sem(folds))
    (row,) = result.baseline.to_dict("records")
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(expected)
    layer = result.layers.iloc[0]
    expected = stats.t.interval(0.95, 19, values[:, 0, 1].mean(), stats.sem(values[:, 0, 1]))
    assert (layer["ci_low"], layer["ci_high"]) == pytest.approx(expected)


def by_runs(table: np.ndarray, ours: int) -> ComparedLayers:
    """Return networks of two variants with these CKAs, which do not vary over images."""
    places = [Place("a" if run < ours else "b", str(run), "layer1") for run in range(len(table))]
    return ComparedLayers(places, np.repeat(table[None], 20, axis=0))


def test_from_three_runs_on_the_interval_is_welchs_for_how_much_closer_runs_are_to_the_other_variant() -> None:
    table = np.random.default_rng(0).normal(size=(7, 7))
    table += table.T
    found = difference_to_baseline(by_runs(table, 3), "layer1", "a", "b")
    kinds = np.array([0] * 3 + [1] * 4)
    closer = [
        [table[run, kinds != kind].mean() - np.delete(table[run], run)[np.delete(kinds, run) == kind].mean()
         for run in np.flatnonzero(kinds == kind)]
        for kind in (0, 1)
    ]  # fmt: skip
    errors = [np.var(each, ddof=1) / len(each) for each in closer]
    degrees = sum(errors) ** 2 / (errors[0] ** 2 / 2 + errors[1] ** 2 / 3)
    centre = (np.mean(closer[0]) + np.mean(closer[1])) / 2
    assert found.scope == "modules"
    assert found.value == pytest.approx(centre)
    assert found.interval == pytest.approx(stats.t.interval(0.95, degrees, centre, np.sqrt(sum(errors))))


def test_a_run_that_resembles_no_other_does_not_change_the_difference() -> None:
    effects = np.array([0.0, 0.1, -0.6, 0.2, 0.0, -0.1])
    found = difference_to_baseline(by_runs(0.8 + effects[:, None] + effects, 3), "layer1", "a", "b")
    assert found.value == pytest.approx(0, abs=1e-12)


def test_variants_that_differ_as_two_runs_do_are_not_below_the_baseline_and_others_are() -> None:
    alike, apart = (planted({"a": 3, "b": 3}, each).baseline["reading"].tolist() for each in (0.0, 1.0))
    assert (alike, apart) == ([NOT_BELOW], [BELOW])


@pytest.mark.filterwarnings("error")
def test_without_a_second_run_of_both_there_is_no_baseline() -> None:
    result = planted({"a": 3, "b": 1}, apart=1.0)
    (row,) = result.baseline.to_dict("records")
    assert row["reading"] == NO_BASELINE
    assert np.isnan([row[name] for name in ("within", "difference", "ci_low", "ci_high")]).all()
    assert result.variants[["model", "against"]].to_numpy().tolist() == [["a", "a"], ["a", "b"]]


def test_a_constant_layer_is_not_measured() -> None:
    places = tuple(Place(name, run, "layer1") for name in "ab" for run in "12")
    result = SimilarityResult(places, hsic_by_fold([np.ones((30, 2))] * 4, minibatches(30, 30, 0)))
    assert result.baseline["reading"].tolist() == [NOT_MEASURED]


def test_tables_list_every_pair_of_layers_once_and_compare_layers_of_one_name() -> None:
    result = planted({"a": 2, "b": 1}, apart=0.5, layers=2)
    assert len(result.layers) == 6 * 5 // 2
    assert not result.layers.duplicated(["model", "run", "layer", "against", "against_run", "against_layer"]).any()
    assert result.variants.columns.tolist() == VARIANTS.names
    assert result.baseline.columns.tolist() == BASELINE.names
    assert result.baseline["layer"].tolist() == ["layer1", "layer2"]
    mixed = compared_layers(result).of_pairs("a", "layer1", "a", "layer2")
    assert len(mixed) == 2  # either run's first layer with the other's second
    np.testing.assert_allclose(sorted(mixed.mean(axis=1)), sorted([result.cka[0, 3], result.cka[1, 2]]))


def test_a_result_is_restored_from_its_arrays(tmp_path: Path) -> None:
    result = planted({"a": 2, "b": 2}, apart=0.5)
    result.save(tmp_path)
    found = SimilarityResult.load(tmp_path)
    assert found.places == result.places
    np.testing.assert_array_equal(found.hsic, result.hsic)
    assert "below the baseline" in found._repr_html_()


def test_the_simulated_truth_is_the_cka_of_very_many_images() -> None:
    population = POPULATIONS["large difference"]
    ((one,), (other,)) = population.networks((1, 1), np.random.default_rng(3))
    images = np.random.default_rng(4).normal(size=(4000, len(one))) / np.sqrt(1 + np.arange(len(one)))
    measured = cka_of(hsic_by_fold([images @ one, images @ other], minibatches(4000, 1000, 0)))[0, 1]
    assert measured == pytest.approx(true_cka(one, other), abs=0.02)


CHECKED = ("no difference", "small difference", "large difference, five runs")


@pytest.mark.parametrize("simulation", [each for each in SIMULATIONS if each.name in CHECKED], ids=CHECKED)
def test_intervals_hold_the_truth_as_often_as_they_say(simulation: Simulation) -> None:
    found = rates(simulation, 60)
    assert {outcome for outcome, rate in found.items() if not rate.allows(*simulation.targets[outcome])} == set()
