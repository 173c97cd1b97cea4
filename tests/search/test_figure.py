"""Figures of a search: what they show, and that nothing in them overlaps."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from autola_analysis.attention import RELEASED
from autola_analysis.attention.operations import OPERATIONS
from autola_analysis.search.figure import COLOURS, OTHER, colour_of, plot_alphas, plot_entropy, plot_genotype
from autola_analysis.search.history import entropy
from autola_analysis.search.result import EPOCHS_TABLE, GAPS_TABLE, SearchResult

NAMES = tuple(OPERATIONS.names())


@pytest.fixture
def result() -> SearchResult:
    drawn = np.random.default_rng(0).normal(size=(7, 10, 9)).cumsum(0) / 3
    drawn[0] = 0
    return SearchResult(drawn, NAMES, pd.DataFrame(columns=EPOCHS_TABLE.names), GAPS_TABLE.frame(), {})


def arrows(figure: Figure) -> list[FancyArrowPatch]:
    return [patch for patch in figure.axes[0].patches if isinstance(patch, FancyArrowPatch)]


def test_every_edge_has_a_panel_with_the_chosen_operation_thick(result: SearchResult) -> None:
    figure = plot_alphas(result)
    shown = [ax for ax in figure.axes if ax.get_visible()]
    assert [ax.get_title() for ax in shown[:3]] == ["x1 → s1", "x2 → s2", "s1 → s2"]
    assert len(shown) == 10
    chosen = result.edges["operation"]
    for row, ax in enumerate(shown):
        lines = [line for line in ax.lines if len(line.get_xdata()) == 7]
        assert len(lines) == 9
        thick = [line for line in lines if line.get_linewidth() > 1]
        assert [line.get_color() for line in thick] == [colour_of(chosen[row])]
        np.testing.assert_array_equal(lines[2].get_ydata(), result.weights[:, row, 2])
        assert [line.get_linestyle() for line in lines] == [":" if name == "none" else "-" for name in NAMES]


def test_entropy_shows_mean_and_range(result: SearchResult) -> None:
    (ax,) = plot_entropy(result).axes
    np.testing.assert_allclose(ax.lines[0].get_ydata(), entropy(result.weights).mean(1))
    assert ax.collections[0].get_datalim(ax.transData).y0 == pytest.approx(entropy(result.weights).min())


def test_the_largest_eigenvalue_has_a_panel_of_its_own_where_it_was_measured(result: SearchResult) -> None:
    epochs = pd.DataFrame({"epoch": range(1, 17), "eigenvalue": [np.nan, 1.0] * 4 + [np.nan, 3.0] * 4})
    figure = plot_entropy(dataclasses.replace(result, epochs=epochs.reindex(columns=EPOCHS_TABLE.names)))
    _, below = figure.axes
    assert below.lines[0].get_xdata().tolist() == list(range(2, 17, 2))
    assert len(below.lines) == 1  # eight measurements hold no two means that are four apart
    epochs = pd.DataFrame({"epoch": range(2, 42, 2), "eigenvalue": [1.0] * 10 + [3.0] * 10})
    figure = plot_entropy(dataclasses.replace(result, epochs=epochs.reindex(columns=EPOCHS_TABLE.names)))
    assert figure.axes[1].lines[1].get_xdata()[0] == 22


def test_a_wiring_has_an_arrow_per_edge_in_its_operations_colour() -> None:
    figure = plot_genotype(RELEASED)
    assert [to_hex(arrow.get_edgecolor()).upper() for arrow in arrows(figure)] == [
        COLOURS[operation] for operation, _ in RELEASED.edges
    ]
    assert {text.get_text() for text in figure.axes[0].texts} == {f"{kind}{n}" for kind in "sx" for n in range(1, 5)}
    assert all(arrow.get_linestyle() in ("-", "solid") for arrow in arrows(figure))


def test_of_a_search_arrows_have_weights_and_are_dashed_where_undecided(result: SearchResult) -> None:
    figure = plot_genotype(result)
    dashed = sum(arrow.get_linestyle() not in ("-", "solid") for arrow in arrows(figure))
    assert 0 < dashed == int((~result.edges["decided"]).sum()) < 10
    weights = sorted(text.get_text() for text in figure.axes[0].texts if "." in text.get_text())
    assert weights == sorted(f"{weight:.2f}" for weight in result.edges["weight"])


@pytest.mark.parametrize("width", ["neurips", "column"])
def test_no_two_texts_overlap_and_none_is_cut(result: SearchResult, width: str) -> None:
    figure = plot_genotype(result, width)
    figure.draw_without_rendering()
    texts = [*figure.axes[0].texts, *figure.legends[0].get_texts()]
    boxes = [text.get_window_extent() for text in texts]
    assert not any(one.overlaps(other) for place, one in enumerate(boxes) for other in boxes[:place])
    whole = figure.bbox
    assert all(whole.x0 <= box.x0 and box.x1 <= whole.x1 and whole.y0 <= box.y0 for box in boxes)


def test_every_operation_has_a_colour_of_its_own() -> None:
    colours = [colour_of(name) for name in NAMES]
    assert len(set(colours)) == 9
    assert OTHER not in colours
    assert colour_of("an own one") == OTHER
