import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.selectivity.figure import (
    CURVE_HEIGHT,
    GRID,
    bounded_density,
    plot_selectivity,
    pooled_values,
)
from autola_analysis.analyses.selectivity.measure import measure_selectivity
from autola_analysis.analyses.selectivity.result import SelectivityResult
from autola_analysis.analyses.variants import Variant
from autola_analysis.core.errors import OptionError
from autola_analysis.data import ClutteredDigits
from autola_analysis.inference.run import Settings
from autola_analysis.report.style import figure_width
from tests.inference.networks import Tiny

QUIET = Reading(Settings(device="cpu", quiet=True))


@pytest.fixture(scope="module")
def results() -> list[SelectivityResult]:
    source = ClutteredDigits("test", 40)
    runs = [("SE", "1"), ("SE", "2"), ("HOGA", "1")]
    return [measure_selectivity(Variant(Tiny(), name, run), source, reading=QUIET) for name, run in runs]


def curves_of(ax: Axes) -> list[Line2D]:
    return [line for line in ax.lines if len(line.get_xdata()) == len(GRID)]


def test_one_panel_per_layer_with_one_row_per_variant_in_the_given_order(results: list[SelectivityResult]) -> None:
    figure = plot_selectivity(results)
    assert [ax.get_title() for ax in figure.axes] == ["layer1 (6 units)", "layer2 (8 units)"]
    for ax in figure.axes:
        se, hoga = curves_of(ax)
        assert np.nanmin(se.get_ydata()) > np.nanmax(hoga.get_ydata())
        assert se.get_color() != hoga.get_color()
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["HOGA", "SE\n(2 runs)"]


def test_dead_units_are_counted_in_their_row_and_in_the_legend() -> None:
    model = Tiny()
    with torch.no_grad():
        model.layer2[1].weight[:3] = 0
        model.layer2[1].bias[:3] = -1
    result = measure_selectivity(model, ClutteredDigits("test", 20), reading=QUIET)
    dead = dict(zip(result.summary["layer"], result.summary["dead"], strict=True))
    assert dead["layer2"] >= 3
    figure = plot_selectivity(result)
    assert [text.get_text() for text in figure.axes[1].texts] == [f"{dead['layer2']} dead"]
    assert f"{sum(dead.values())} in all" in figure.legends[0].get_texts()[-1].get_text()


def test_medians_and_chance_levels_stand_where_the_tables_say(results: list[SelectivityResult]) -> None:
    hoga = results[2]
    ticks = [float(line.get_xdata()[0]) for line in plot_selectivity(hoga).axes[1].lines if len(line.get_xdata()) == 2]
    row = hoga.summary.set_index("layer").loc["layer2"]
    assert sorted(x for x in ticks if x not in (0.0, 1.0)) == pytest.approx(sorted([row["median"], row["null_mean"]]))


def test_curves_show_the_pooled_live_units(results: list[SelectivityResult]) -> None:
    values, nulls = pooled_values(results[:2], "layer2")
    expected = [r.units.query("layer == 'layer2' and not dead")["selectivity"] for r in results[:2]]
    np.testing.assert_array_equal(values, np.concatenate(expected))
    assert len(nulls) == 2
    (curve,) = curves_of(plot_selectivity(results[:2]).axes[1])
    seen = ~np.isnan(np.asarray(curve.get_ydata(), dtype=float))
    density = bounded_density(values)
    np.testing.assert_allclose(np.asarray(curve.get_ydata())[seen], CURVE_HEIGHT * (density / density.max())[seen])


def test_a_density_on_the_unit_interval_has_mass_one_and_leaks_nowhere() -> None:
    generator = np.random.default_rng(0)
    for values in (generator.uniform(0, 0.1, 30), generator.beta(0.5, 0.5, 200), np.array([0.0, 1.0])):
        assert np.trapezoid(bounded_density(values), GRID) == pytest.approx(1, abs=0.02)


def test_a_density_of_equal_values_is_left_undrawn() -> None:
    assert np.isnan(bounded_density(np.array([0.3, 0.3]))).all()
    assert np.isnan(bounded_density(np.array([]))).all()


def test_one_axes_takes_one_layer(results: list[SelectivityResult]) -> None:
    one_layer = measure_selectivity(Tiny(), ClutteredDigits("test", 20), layers=["layer2"], reading=QUIET)
    ax = Figure().subplots()
    assert plot_selectivity(one_layer, ax=ax) is ax
    assert ax.get_title() == "layer2 (8 units)"
    with pytest.raises(OptionError, match="one Axes takes one layer; the results have 2"):
        plot_selectivity(results, ax=ax)
    with pytest.raises(OptionError, match="no selectivity result"):
        plot_selectivity([])


def test_the_users_matplotlib_settings_are_as_before(results: list[SelectivityResult]) -> None:
    before = dict(mpl.rcParams)
    plot_selectivity(results)
    assert dict(mpl.rcParams) == before


def test_widths_are_names_or_inches() -> None:
    assert figure_width("neurips") == 5.5
    assert figure_width("4.25") == 4.25
    for wrong in ("wide", "0", 50.0):
        with pytest.raises(OptionError, match="width is neurips, cvpr"):
            figure_width(wrong)
