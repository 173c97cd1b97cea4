import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from autola_analysis.analyses.selectivity import SelectivityResult, measure_selectivity
from autola_analysis.analyses.variants import Variant
from autola_analysis.core.errors import OptionError
from autola_analysis.data import ClutteredDigits
from autola_analysis.figures.selectivity import GRID, bounded_density, plot_selectivity, pooled_values
from autola_analysis.figures.style import figure_width
from autola_analysis.inference.run import Settings
from tests.inference.networks import Tiny

QUIET = Settings(device="cpu", quiet=True)


@pytest.fixture(scope="module")
def results() -> list[SelectivityResult]:
    source = ClutteredDigits("test", 40)
    runs = [("SE", "1"), ("SE", "2"), ("HOGA", "1")]
    return [measure_selectivity(Variant(Tiny(), name, run), source, settings=QUIET) for name, run in runs]


def lines_of(figure: Figure) -> list[list[str]]:
    return [[str(line.get_color()) for line in ax.lines if len(line.get_xdata()) == len(GRID)] for ax in figure.axes]


def test_one_panel_per_layer_with_one_curve_per_variant(results: list[SelectivityResult]) -> None:
    figure = plot_selectivity(results)
    assert [ax.get_title() for ax in figure.axes] == ["layer1 (6 units)", "layer2 (8 units)"]
    for colours in lines_of(figure):
        assert len(colours) == 2
        assert colours[0] != colours[1]


def test_runs_are_pooled_and_dead_units_counted_in_the_legend(results: list[SelectivityResult]) -> None:
    figure = plot_selectivity(results)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    dead = {name: sum(r.summary["dead"].sum() for r in results if r.model == name) for name in ("SE", "HOGA")}
    assert labels[0] == ("SE (2 runs)" if not dead["SE"] else f"SE (2 runs, {dead['SE']} dead)")
    assert labels[1] == ("HOGA" if not dead["HOGA"] else f"HOGA ({dead['HOGA']} dead)")
    assert labels[2:] == ["median", "chance level"]


def test_curves_show_the_pooled_live_units(results: list[SelectivityResult]) -> None:
    values, nulls = pooled_values(results[:2], "layer2")
    expected = [r.units.query("layer == 'layer2' and not dead")["selectivity"] for r in results[:2]]
    np.testing.assert_array_equal(values, np.concatenate(expected))
    assert len(nulls) == 2
    curve = next(line for line in plot_selectivity(results[:2]).axes[1].lines if len(line.get_xdata()) == len(GRID))
    seen = ~np.isnan(np.asarray(curve.get_ydata(), dtype=float))
    np.testing.assert_allclose(np.asarray(curve.get_ydata())[seen], bounded_density(values)[seen])


def test_a_density_on_the_unit_interval_has_mass_one_and_leaks_nowhere() -> None:
    generator = np.random.default_rng(0)
    for values in (generator.uniform(0, 0.1, 30), generator.beta(0.5, 0.5, 200), np.array([0.0, 1.0])):
        assert np.trapezoid(bounded_density(values), GRID) == pytest.approx(1, abs=0.02)


def test_a_density_of_equal_values_is_left_undrawn() -> None:
    assert np.isnan(bounded_density(np.array([0.3, 0.3]))).all()
    assert np.isnan(bounded_density(np.array([]))).all()


def test_one_axes_takes_one_layer(results: list[SelectivityResult]) -> None:
    one_layer = measure_selectivity(Tiny(), ClutteredDigits("test", 20), ["layer2"], settings=QUIET)
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
