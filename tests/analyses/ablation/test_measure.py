"""What becomes of an ablation: tables, intervals, comparison, layers that cannot be measured, saving, drawing."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from torch import Tensor, nn
from torch.utils.data import Dataset

from autola_analysis.analyses.ablation.analysis import Ablation, AblationResults
from autola_analysis.analyses.ablation.compared import COMPARED, ablation_statistics
from autola_analysis.analyses.ablation.figure import plot_ablation
from autola_analysis.analyses.ablation.head import linear_head
from autola_analysis.analyses.ablation.measure import measure_ablation
from autola_analysis.analyses.ablation.orders import area_weights
from autola_analysis.analyses.ablation.result import AblationResult
from autola_analysis.analyses.ablation.rows import runs_by_layer, summary_rows
from autola_analysis.analyses.ablation.section import ablation_section
from autola_analysis.analyses.selectivity_index import class_means, selectivity_index
from autola_analysis.analyses.variants import Variant
from autola_analysis.core.cache import cache_folder
from autola_analysis.core.errors import LayerError, OptionError
from autola_analysis.core.results import read_stored, write_stored
from autola_analysis.data import ClutteredDigits
from autola_analysis.report.sheet import Sheet
from autola_analysis.statistics.intervals import mean_interval
from tests.analyses.ablation.planted import READING, Planted, ablated, drawn, images_of, random_head
from tests.inference.networks import Fails, Tiny, expectation
from tests.inference.state import state_of

STEPS = 6


def runs_of(name: str, count: int) -> list[AblationResult]:
    """Return runs of a variant on the same images: networks with different heads."""
    units, labels = drawn()
    networks = [Planted(*random_head(seed=len(name) + 10 * run)) for run in range(count)]
    variants = [Variant(network, name, str(run + 1)) for run, network in enumerate(networks)]
    return list(measure_ablation(variants, images_of(units, labels, 4), reading=READING, steps=STEPS))


def row_of(results: list[AblationResult], measure: str, run: str) -> pd.Series:
    rows = summary_rows(results)[0]
    return rows[(rows["measure"] == measure) & (rows["run"] == run)].iloc[0]


def test_a_measure_is_a_mean_over_images_of_areas() -> None:
    (result,) = runs_of("a", 1)
    selective, random = result.curves.fixed[0].mean(0), result.curves.totals[2:].mean(0) / 60
    area = float(np.trapezoid(selective, dx=1 / STEPS))
    of_random = float(np.trapezoid(random, dx=1 / STEPS))
    assert row_of([result], "area_selective", "1")["value"] == pytest.approx(area)
    assert row_of([result], "area_random", "1")["value"] == pytest.approx(of_random)
    assert row_of([result], "loss_random", "1")["value"] == pytest.approx(selective[0] - of_random)
    row = row_of([result], "selective_minus_random", "1")
    assert row["value"] == pytest.approx(area - of_random)
    per_image = result.curves.fixed[0] @ area_weights(STEPS) - result.curves.random / 10 @ area_weights(STEPS)
    expected = stats.t.interval(0.95, 59, per_image.mean(), stats.sem(per_image))
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(expected)
    spread = np.trapezoid(result.curves.totals[2:] / 60, dx=1 / STEPS, axis=1).std(ddof=1)
    assert row_of([result], "spread_random", "1")["value"] == pytest.approx(spread)


def test_the_curve_of_the_table_has_the_interval_of_its_step() -> None:
    (result,) = runs_of("a", 1)
    rows = summary_rows([result])[1].query("order == 'reversed'").reset_index()
    np.testing.assert_allclose(rows["share"], np.arange(STEPS + 1) / STEPS)
    right = result.curves.fixed[1].astype(float)
    np.testing.assert_allclose(rows["accuracy"], right.mean(0))
    expected = stats.t.interval(0.95, 59, right[:, 2].mean(), stats.sem(right[:, 2]))
    assert tuple(rows.loc[2, ["ci_low", "ci_high"]]) == pytest.approx(expected)


def test_the_correlation_and_its_jackknife_equal_naive_ones() -> None:
    (units, labels), (weight, bias) = drawn(units=24), random_head(units=24)  # a fold changes the ranks of some
    result = ablated(Planted(weight, bias), images_of(units, labels, 4), steps=STEPS)
    x, y = units.double().numpy(), labels.numpy()
    logits = x @ weight.double().numpy().T + bias.double().numpy()
    off = logits[:, :, None] - weight.double().numpy()[None] * x[:, None, :]  # (N, C, K)
    drops = (logits.argmax(1) == y)[:, None].astype(int) - (off.argmax(1) == y[:, None])

    def correlation(kept: np.ndarray) -> float:
        sums = np.array([x[kept & (y == label)].sum(0) for label in range(4)])
        counts = np.bincount(y[kept], minlength=4)
        index = selectivity_index(class_means(sums, counts)).values
        return float(stats.spearmanr(index, drops[kept].sum(0)).statistic)

    count = min(10, np.bincount(y).min())
    folds = np.empty(60, dtype=int)
    folds[np.argsort(y, kind="stable")] = np.arange(60) % count
    without = np.array([correlation(folds != fold) for fold in range(count)])
    assert result.correlation == pytest.approx(correlation(np.ones(60, bool)))
    np.testing.assert_allclose(result.fold_correlations, without)
    error = np.sqrt((count - 1) / count * ((without - without.mean()) ** 2).sum())
    expected = stats.t.interval(0.95, count - 1, result.correlation, error)
    row = row_of([result], "correlation", "1")
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(expected)


def test_a_class_with_a_single_image_leaves_the_correlation_without_an_interval() -> None:
    (units, labels), (weight, bias) = drawn(), random_head()
    labels[labels == 2] = 1
    labels[0] = 2
    result = ablated(Planted(weight, bias), images_of(units, labels, 4), steps=STEPS)
    assert len(result.fold_correlations) == 0
    row = row_of([result], "correlation", "1")
    assert np.isfinite(row["value"])
    assert np.isnan([row["ci_low"], row["ci_high"]]).all()


def test_from_three_runs_on_a_variant_has_rows_over_runs_and_images() -> None:
    results = [*runs_of("a", 3), *runs_of("bb", 2)]
    rows = summary_rows(results)[0]
    assert set(rows.loc[rows["run"] == "", "model"]) == {"a"}
    values = np.stack([each.values_per_image()["area_random"] for each in results[:3]])
    row = row_of(results, "area_random", "")
    assert (row["value"], row["ci_low"], row["ci_high"]) == pytest.approx((values.mean(), *mean_interval(values)))


def test_variants_are_compared_image_by_image() -> None:
    results = [*runs_of("a", 1), *runs_of("bb", 1)]
    statistics = {each.name: each for each in ablation_statistics(results)}
    assert set(statistics) == {*COMPARED, "correlation"}
    assert all(each.paired and each.layer == "layer1" for each in statistics.values())
    ours, theirs = (each.values_per_image()["loss_random"] for each in results)
    found = statistics["loss_random"].difference("a", "bb")
    assert found.value == pytest.approx(ours.mean() - theirs.mean())
    assert (found.ci_low, found.ci_high) == pytest.approx(mean_interval((ours - theirs)[None]))
    other = replace(results[1], settings={**results[1].settings, "labels": "other"})
    assert not any(each.paired for each in ablation_statistics([results[0], other]))


def test_runs_on_other_images_or_steps_are_refused() -> None:
    first, second = runs_of("a", 2)
    with pytest.raises(OptionError, match="the runs of a were ablated on different images"):
        runs_by_layer([first, replace(second, settings={**second.settings, "labels": "other"})])
    (fewer,) = measure_ablation(
        [Variant(Planted(*random_head()), "a", "3")], images_of(*drawn(), 4), reading=READING, steps=STEPS - 1
    )
    with pytest.raises(OptionError, match="the runs of a were ablated in different numbers of steps"):
        runs_by_layer([first, fewer])


class BeforeANorm(Tiny):
    """What follows the stage is more than pooling and a head."""

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.layer2(self.layer1(x)).mean((2, 3)).tanh())


class Positions(Tiny):
    """A stage that puts out a list of positions rather than a map."""

    def __init__(self) -> None:
        super().__init__()
        self.layer2.append(nn.Flatten(2))

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.layer2(self.layer1(x)).mean(2))


def tiny_data(outputs: int = 10):  # type: ignore[no-untyped-def]
    dataset = images_of(torch.zeros(30, 3), torch.arange(30) % outputs, outputs)
    generator = torch.Generator().manual_seed(0)
    dataset.tensors = (torch.randn(30, 3, 8, 8, generator=generator), dataset.tensors[1])
    return dataset


class Unlisted(Dataset[tuple[Tensor, int]]):
    """Images of ten classes, of which only reading them tells the labels."""

    def __len__(self) -> int:
        return 30

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return torch.full((3, 8, 8), index / 30), index % 10


def test_labels_of_an_unknown_number_of_classes_are_not_called_foreign_to_the_head() -> None:
    unlisted = Unlisted()
    with pytest.raises(LayerError, match=r"left out of the ablation: the number of classes is not known .*classes = "):
        measure_ablation(Tiny(), unlisted, reading=READING, steps=STEPS)
    unlisted.classes = 10  # type: ignore[attr-defined]
    (result,) = measure_ablation([Tiny()], unlisted, reading=READING, steps=STEPS)
    assert 0 <= result.values_per_image()["accuracy"].mean() <= 1


def test_a_layer_that_no_linear_head_reads_is_left_out_or_refused_where_it_was_asked_for() -> None:
    with pytest.raises(LayerError, match="layer2 of model is left out of the ablation: what follows it is more than"):
        measure_ablation(BeforeANorm(), tiny_data(), reading=READING)
    with pytest.raises(LayerError, match="layer1 of model cannot be ablated: what follows it is more than global"):
        measure_ablation(Tiny(), tiny_data(), reading=READING, layers=["layer1"])
    results = measure_ablation([Tiny(), BeforeANorm()], tiny_data(), reading=READING, steps=STEPS)
    assert [each.model for each in results] == ["model 1"]


def test_layers_without_selectivity_and_networks_without_accuracy_are_left_out() -> None:
    with pytest.raises(LayerError, match="accuracy is not measured, since the labels of the data are not those"):
        measure_ablation(Tiny(9), tiny_data(), reading=READING)
    signed = Tiny()
    signed.layer2[2] = nn.Identity()
    with pytest.raises(LayerError, match="it has negative activity, so that its units have no selectivity index"):
        measure_ablation(signed, tiny_data(), reading=READING)
    with pytest.raises(OptionError, match="none of the networks has a head, so that there is no accuracy to lose"):
        measure_ablation(Variant(Tiny(), has_head=False), tiny_data(), reading=READING)
    with pytest.raises(LayerError, match="the list of layers is empty"):
        measure_ablation(Tiny(), tiny_data(), reading=READING, layers=[])
    with pytest.raises(LayerError, match=r"puts out shape \(7, 8, 16\); ablation needs"):
        measure_ablation(Positions(), tiny_data(), reading=READING)


def test_a_network_without_a_head_is_passed_over_and_named() -> None:
    analysis = Ablation()
    result = AblationResults(runs_of("a", 1), ("b is left out of the ablation: it has no head, hence no accuracy.",))
    assert "b is left out of the ablation" in analysis.warnings(result)[0]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_head_is_found_in_every_precision(precision: str) -> None:
    reading = replace(READING, settings=replace(READING.settings, precision=precision))
    assert ablated(Tiny(), tiny_data(), reading=reading, steps=STEPS).settings["head"] == "fc"


def test_the_head_is_the_module_that_makes_the_logits() -> None:
    (units, labels), (weight, bias) = drawn(), random_head()
    dataset = images_of(units, labels, 4)
    assert linear_head(Planted(weight, bias), "layer1", dataset.tensors[0][:4]) == "fc"
    assert linear_head(Planted(weight), "layer1", dataset.tensors[0][:4]) == "fc"
    assert linear_head(BeforeANorm().eval(), "layer2", tiny_data().tensors[0][:4]) == ""


@pytest.mark.parametrize("network", [Tiny, Fails])
def test_the_callers_network_and_random_state_are_as_before(network: type[Tiny]) -> None:
    model = network().train()
    before, random = state_of(model), torch.get_rng_state()
    with expectation(network):
        measure_ablation(model, tiny_data(), reading=READING, steps=STEPS)
    assert state_of(model) == before
    assert torch.equal(torch.get_rng_state(), random)


def test_a_pass_from_the_cache_gives_the_same(tmp_path: Path) -> None:
    source = ClutteredDigits("test", 30)
    model = Variant(Tiny(), preprocessing=source.preprocessing)
    reading = replace(READING, cache=tmp_path)
    first, second = (ablated(model, source, reading=reading, steps=STEPS) for _ in range(2))
    assert len(list(cache_folder(tmp_path, "passes").iterdir())) == 1
    assert_equal(first, second)
    assert_equal(ablated(model, source, steps=STEPS), first)


def assert_equal(ours: AblationResult, theirs: AblationResult) -> None:
    pd.testing.assert_frame_equal(ours.units, theirs.units)
    for name in ("fixed", "random", "totals"):
        np.testing.assert_array_equal(getattr(ours.curves, name), getattr(theirs.curves, name))
    np.testing.assert_array_equal(ours.fold_correlations, theirs.fold_correlations)
    assert (ours.model, ours.run, ours.layer) == (theirs.model, theirs.run, theirs.layer)
    np.testing.assert_equal(ours.correlation, theirs.correlation)  # which may be NaN
    assert (ours.settings, ours.warnings) == (theirs.settings, theirs.warnings)


def test_results_survive_saving(tmp_path: Path) -> None:
    results = [*runs_of("None", 3), *runs_of("a/b", 1)]
    results[3].save(tmp_path / "one")
    assert_equal(AblationResult.load(tmp_path / "one"), results[3])
    assert "area_selective" in results[3]._repr_html_()
    analysis = Ablation()
    write_stored(tmp_path, analysis.format, analysis.store(AblationResults(results)))
    restored = analysis.restore(read_stored(tmp_path, analysis.format)).networks
    for ours, theirs in zip(restored, results, strict=True):
        assert_equal(ours, theirs)
    expected = summary_rows(results)
    for found, rows in zip(summary_rows(restored), expected, strict=True):
        pd.testing.assert_frame_equal(found, rows)


def test_a_report_without_any_result_says_so(tmp_path: Path) -> None:
    analysis = Ablation()
    nothing = AblationResults((), ("why",))
    write_stored(tmp_path, analysis.format, analysis.store(nothing))
    restored = analysis.restore(read_stored(tmp_path, analysis.format))
    (section,) = analysis.sections(restored, Sheet(tmp_path, "digits"))
    assert section.reading == ("No layer could be ablated; the warnings say why.",)
    assert analysis.lines(nothing).rows == []
    assert analysis.statistics(nothing) == ([], ())
    with pytest.raises(OptionError, match="there is no ablation to draw"):
        plot_ablation([])


def test_a_row_per_variant_and_a_panel_per_order() -> None:
    results = [*runs_of("a", 3), *runs_of("bb", 1)]
    figure = plot_ablation(results)
    assert [axes.get_title() for axes in figure.axes[:3]] == [
        "most selective first",
        "least selective first",
        "random orders",
    ]
    assert [axes.get_ylabel() for axes in figure.axes[::3]] == ["a\n3 runs\naccuracy", "bb\naccuracy"]
    grey, own = (np.asarray(line.get_ydata()) for line in figure.axes[0].lines)
    np.testing.assert_allclose(own, np.mean([each.curves.fixed[0] for each in results[:3]], axis=(0, 1)))
    np.testing.assert_allclose(grey, results[3].curves.fixed[0].mean(0))


def test_the_section_cites_what_it_rests_on(tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    section = ablation_section(runs_of("a", 3), Sheet(tmp_path, "digits"))
    assert section.references.keys() == {"leavitt2020", "morcos2018", "zhou2018"}
    assert all(f"@{key}" in section.methods for key in section.references)
    assert "our question, not the supplement's" in section.limits[0]
    assert section.tables["Areas under accuracy curves"]["run"].tolist() == ["1", "2", "3", "all"]
    assert "from 3 training runs on over runs and images together" in section.figures["ablation"]
