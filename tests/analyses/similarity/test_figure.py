"""What the figure of similarity shows: every number at its place, the baseline where there is one, no label cut off."""

from itertools import pairwise

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from autola_analysis.analyses.similarity.cka import cka_of, hsic_by_fold, minibatches
from autola_analysis.analyses.similarity.figure import plot_similarity
from autola_analysis.analyses.similarity.result import SimilarityResult

LONG = "HOGA with a random genotype"


def result(runs: dict[str, int], layers: int = 2) -> SimilarityResult:
    generator = np.random.default_rng(0)
    shared = generator.normal(size=(40, 5))
    places = [
        (name, str(run), f"layer{layer}")
        for name, count in runs.items()
        for run in range(count)
        for layer in range(layers)
    ]
    features = [shared + 0.5 * generator.normal(size=(40, 5)) for _ in places]
    return SimilarityResult(tuple(places), hsic_by_fold(features, minibatches(40, 40, 0)))


def test_heat_maps_show_means_over_pairs_of_runs_and_dots_lie_in_the_band_of_their_baseline() -> None:
    shown = result({"a": 2, "b": 2})
    cka = cka_of(shown.hsic)
    figure = plot_similarity(shown)
    own, other, *_, beside = (ax for ax in figure.axes if ax.get_label() != "<colorbar>")
    np.testing.assert_allclose(
        other.images[0].get_array()[0], [cka[[[0], [2]], [4, 6]].mean(), cka[[[0], [2]], [5, 7]].mean()]
    )
    np.testing.assert_allclose(own.images[0].get_array()[0, 0], cka[0, 2])
    bands = [patch for patch in beside.patches if isinstance(patch, Rectangle)]
    assert [band.get_y() for band in bands] == pytest.approx([min(cka[0, 2], cka[4, 6]), min(cka[1, 3], cka[5, 7])])
    assert [band.get_height() for band in bands] == pytest.approx(
        [abs(cka[0, 2] - cka[4, 6]), abs(cka[1, 3] - cka[5, 7])]
    )
    dots = [line.get_ydata()[0] for line in beside.lines]
    assert dots == pytest.approx([cka[[[0], [2]], [4, 6]].mean(), cka[[[1], [3]], [5, 7]].mean()])


def test_without_a_second_run_there_is_no_band_and_a_single_network_is_one_map() -> None:
    beside = plot_similarity(result({"a": 1, "b": 1})).axes[-1]
    assert not beside.patches
    single = plot_similarity(result({"a": 1}))
    assert [len(ax.images) for ax in single.axes if ax.get_label() != "<colorbar>"] == [1]


@pytest.mark.parametrize("width", ["column", "neurips", "cvpr"])
def test_long_names_stay_inside_the_figure_and_off_each_other(width: str) -> None:
    figure = plot_similarity(result({f"{LONG} {number}": 2 for number in range(4)}, layers=4), width)
    figure.canvas.draw()
    titles = [ax.title.get_window_extent() for ax in figure.axes if ax.get_title()]
    for one, other in pairwise(titles):
        assert not one.overlaps(other)
    (legend,) = [each for part in figure.subfigs for each in part.legends]
    box = legend.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.x1
