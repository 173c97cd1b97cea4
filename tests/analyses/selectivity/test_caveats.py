"""Sentences beside the numbers: when they are given, and which numbers they name."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset

from autola_analysis.analyses.selectivity.analysis import Selectivity
from autola_analysis.analyses.selectivity.caveats import bias_caveats, fold_caveats, item_caveats
from autola_analysis.analyses.selectivity.chance import below_chance
from autola_analysis.analyses.selectivity.compared import selectivity_statistics
from autola_analysis.analyses.selectivity.labelings import Labelings
from autola_analysis.analyses.selectivity.measure import measure_selectivity
from autola_analysis.analyses.selectivity.result import SUMMARY, SelectivityResult
from autola_analysis.statistics.difference import Statistic
from tests.analyses.selectivity.studies import selectivity_result
from tests.analyses.selectivity.test_measure import QUIET, class_sorted
from tests.inference.networks import Tiny


def corrected(model: str, run: str, **means: tuple[float, float]) -> SelectivityResult:
    """Return a result with a plain and a corrected mean per layer."""
    result = selectivity_result(model, run, {layer: plain for layer, (plain, _) in means.items()}, {})
    result.summary["mean_corrected"] = [value for _, value in means.values()]
    return result


@pytest.mark.parametrize("counts", [{"cat": 20, "dog": 40}, {"cat": 500, "dog": 500}])
def test_enough_images_in_classes_that_differ_by_no_more_than_half_need_no_words(counts: dict[str, int]) -> None:
    assert item_caveats(counts) == []


def test_few_images_and_unbalanced_classes_are_named() -> None:
    assert item_caveats({"cat": 19, "dog": 1500, "cow": 19, "ant": 0}) == [
        "1 of 4 classes have no image and are left out: ant.",
        "2 of 3 classes have fewer than 20 images (cat has 19): class means of so few are noisy, class selectivity is "
        "biased upward, and the correction takes off only a part of it.",
        "classes are unbalanced: cat has 19 images, dog 1,500; the mean of a small class is noisier, so that units "
        "prefer it by chance more often.",
    ]


@pytest.mark.parametrize(
    ("sizes", "folds", "words"),
    [
        (None, 10, "no chance level, no corrected mean and no interval: the labels are not known"),
        ((5, 1), 10, "no corrected mean and no interval: a class with a single image"),
        ((5, 5), 0, "no corrected mean and no interval: they are made of folds of images, and none were asked for"),
        ((5, 3), 10, "no interval: it needs 4 folds of images, found 3"),
        ((5, 4), 10, ""),
    ],
)
def test_what_folds_do_not_allow_is_said(sizes: tuple[int, ...] | None, folds: int, words: str) -> None:
    labels = None if sizes is None else np.repeat(np.arange(len(sizes)), sizes)
    caveats = fold_caveats(Labelings.draw(labels, 2, permutations=0, folds=folds, seed=0))
    assert len(caveats) == bool(words)
    assert "".join(caveats).startswith(words)


def test_a_bias_beyond_2_percent_or_0_005_is_said_once_with_all_layers_and_the_largest() -> None:
    results = [
        corrected("SE", "1", layer1=(0.0202, 0.02), layer3=(0.5, 0.4951), layer2=(0.1, float("nan"))),
        corrected("HOGA", "2", layer1=(0.0206, 0.02), layer3=(0.5, 0.4949), layer2=(0.1, 0.0985)),
    ]
    sentence = (
        "noise of the class means biases the plain mean class selectivity by more than 2% or 0.005 in layer1 (1 of 2 "
        "networks), layer3 (1 of 2 networks); most: 0.5000, corrected 0.4949, in layer3 of HOGA (run 2). Intervals and "
        "comparisons are about the corrected mean."
    )
    assert bias_caveats(results) == list(Selectivity().warnings(results)) == [sentence]
    (alone,) = bias_caveats([corrected("HOGA", "2", layer1=(0.0206, 0.02), layer3=(0.5, 0.4951))])
    assert "in layer1 (1 of 1 network); most: 0.0206, corrected 0.0200, in layer1 of HOGA (run 2)." in alone


def below(chances: Mapping[tuple[str, str], tuple[float, float]]) -> list[SelectivityResult]:
    """Return results whose corrected means are 0.499 and 0.139, with chance levels by variant and run."""
    results = []
    for (model, run), of_layers in chances.items():
        results.append(corrected(model, run, layer1=(0.5, 0.499), layer3=(0.14, 0.139)))
        results[-1].summary["null_mean"] = of_layers
    return results


def test_a_corrected_mean_below_chance_is_not_to_be_relied_on() -> None:
    of_one_layer = below({("none", "1"): (0.1, 0.13), ("SE", "1"): (0.1, 0.145)})
    assert bias_caveats(of_one_layer) == [
        "noise of the class means hides the class selectivity of layer3 in SE; most: 0.1450 by chance, 0.1390 "
        "corrected, in layer3 of SE. What the correction leaves may be bias, in intervals and comparisons too; give "
        "more images."
    ]
    of_both = below({("none", "1"): (0.1, 0.14), ("SE", "1"): (0.6, 0.145)})
    (sentence,) = bias_caveats(of_both)
    assert "of layer3 in none, SE; layer1 in SE; most: 0.6000 by chance, 0.4990 corrected, in layer1 of SE." in sentence


@pytest.mark.parametrize(("chances", "hidden"), [((0.10, 0.17), False), ((0.13, 0.17), True), ((0.10, 0.18), True)])
def test_runs_of_a_variant_are_below_chance_together_and_then_decide_no_claim(
    chances: tuple[float, float], hidden: bool
) -> None:
    results = below({("SE", str(run)): (0.1, chance) for run, chance in enumerate(chances, 1)})
    mean = sum(chances) / 2
    expected = {("SE", "layer3"): pytest.approx((mean, 0.139))} if hidden else {}
    assert below_chance(results) == expected
    means = [each for each in selectivity_statistics(results)[0] if isinstance(each, Statistic) and not each.summary]
    assert {each.layer: set(each.hidden) for each in means} == {"layer1": set(), "layer3": {"SE"} if hidden else set()}
    words = f"most: {mean:.4f} by chance, 0.1390 corrected, in layer3 of SE (means over the runs of a variant)."
    assert [words in text for text in bias_caveats(results)] == [True] * hidden


def test_only_images_with_permuted_labels_have_their_selectivity_hidden() -> None:
    data = class_sorted((30,) * 10)
    order = torch.randperm(300, generator=torch.Generator().manual_seed(0))
    permuted = TensorDataset(data.tensors[0][order], data.tensors[1])
    permuted.classes = data.classes
    for images, hidden in ((data, False), (permuted, True)):
        result = measure_selectivity(Tiny(), images, reading=QUIET, permutations=5)
        hides = [text.partition("; most")[0] for text in result.warnings if "hides the class selectivity of" in text]
        assert any("layer2 in " in layers for layers in hides) == hidden


def test_a_measurement_in_python_says_it_too() -> None:
    result = measure_selectivity(Tiny(), class_sorted((6, 13, 9)), reading=QUIET)
    assert [warning for warning in result.warnings if "noise of the class means" in warning] == bias_caveats([result])
    assert any("fewer than 20 images (class 0 has 6)" in warning for warning in result.warnings)
    assert any("unbalanced: class 0 has 6 images, class 1 13" in warning for warning in result.warnings)


def test_the_terminal_shows_plain_mean_chance_and_corrected_mean() -> None:
    rows = [
        ["none", str(run), layer, 64, 0, 0.5, 0.49, 0.48, 0.5, 0.5, 0.4, 0.6, 0.1, np.nan, 0, "images"]
        for run in (1, 2)
        for layer in "ab"
    ]
    results = [selectivity_result("none", str(run), {"layer1": 0.5}, {}) for run in (1, 2)]
    for run, result in enumerate(results):
        result.summary[SUMMARY.names] = [rows[2 * run]]
    lines = Selectivity().lines(results)
    assert lines.header == ["model", "top-1", "layer", "units", "mean", "chance", "corrected, 95% interval"]
    assert lines.rows[0] == ["none run 1", "90.00 %", "a", "64", "0.5000", "0.1000", "0.4900 [0.4800, 0.5000]"]
    results[0].summary["dead"] = 3
    assert Selectivity().lines(results).header[3:5] == ["units", "dead"]
