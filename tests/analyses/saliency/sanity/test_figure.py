"""The figure of the sanity check, and what its caption says."""

from collections.abc import Sequence

import numpy as np
import pytest
from matplotlib.axes import Axes
from numpy.typing import NDArray

from autola_analysis.analyses.saliency.sanity.figure import BASELINE_COLOURS, plot_sanity
from autola_analysis.analyses.saliency.sanity.result import OTHER_IMAGES, OTHER_RUNS, ComparedMaps, SanityResult
from autola_analysis.analyses.saliency.sanity.section import sanity_caption, sanity_methods
from autola_analysis.core.errors import OptionError

NAMES = [str(index) for index in range(4)]


def result(variants: Sequence[str] = ("SE", "HOGA"), other_runs: bool = True) -> SanityResult:
    """Three draws of two stages, on four images; two maps of the last stage say nothing."""
    correlations: dict[ComparedMaps, NDArray[np.float64]] = {}
    for model in variants:
        for method, layer in (("grad-cam", "layer3"), ("guided-backprop", "")):
            about = (model, "1", method, layer)
            draws = np.linspace(0.7, 1, 12).reshape(3, 4)
            correlations[ComparedMaps(*about, "fc")] = draws
            correlations[ComparedMaps(*about, "layer3")] = draws - 0.6
            correlations[ComparedMaps(*about, OTHER_IMAGES, True)] = np.array([0.3, 0.4, 0.5, 0.4])
            if other_runs:
                correlations[ComparedMaps(*about, OTHER_RUNS, True)] = draws[:2]
    correlations[ComparedMaps(variants[0], "1", "grad-cam", "layer3", "layer3")][1, 2:] = np.nan
    return SanityResult.of(correlations, NAMES, {"draws": 3})


def levels(ax: Axes) -> dict[str, float]:
    """Return the height of each baseline's line."""
    colours = {colour: name for name, colour in BASELINE_COLOURS.items()}
    return {colours[line.get_color()]: line.get_ydata()[0] for line in ax.lines if line.get_color() in colours}


def test_a_panel_per_method_and_variant_has_the_curve_its_band_and_the_baselines() -> None:
    found = result()
    figure = plot_sanity(found)
    assert [ax.get_title() for ax in figure.axes] == ["SE", "HOGA", "", ""]
    assert [ax.get_ylabel() for ax in figure.axes] == ["Grad-CAM\nlayer3", "", "Guided\nbackpropagation", ""]
    keys = [(method, model) for method in ("grad-cam", "guided-backprop") for model in ("SE", "HOGA")]
    for ax, (method, model) in zip(figure.axes, keys, strict=True):
        rows = found.table[(found.table["method"] == method) & (found.table["model"] == model)]
        (curve,) = [line for line in ax.lines if len(line.get_xdata()) == 3]
        np.testing.assert_allclose(curve.get_ydata(), [1, *rows["rank_correlation"]])
        (band,) = ax.collections
        heights = band.get_paths()[0].vertices[:, 1]
        assert heights.min() == pytest.approx(rows["ci_low"].min())
        assert {f"{limit:.6f}" for limit in (*rows["ci_low"], *rows["ci_high"])} <= {f"{h:.6f}" for h in heights}
        expected = found.baselines[(found.baselines["method"] == method) & (found.baselines["model"] == model)]
        assert levels(ax) == dict(zip(expected["baseline"], expected["rank_correlation"], strict=True))
    assert [label.get_text() for label in figure.axes[-1].get_xticklabels()] == ["trained", "fc", "layer3"]
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["maps of other images", "same images, another training run"]


def test_variants_stand_below_each_other_where_they_do_not_fit_beside_each_other() -> None:
    titles = [ax.get_title() for ax in plot_sanity(result(), 1.9).axes]
    assert titles == ["Grad-CAM\nlayer3", "Guided\nbackpropagation", "", ""]


def test_results_of_several_networks_are_drawn_together_and_nothing_is_refused() -> None:
    figure = plot_sanity([result(["SE"], other_runs=False), result(["CBAM"], other_runs=False)])
    assert [ax.get_title() for ax in figure.axes] == ["SE", "CBAM", "", ""]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["maps of other images"]
    for nothing in ([], SanityResult.of({}, [], {"draws": 3})):
        with pytest.raises(OptionError, match="no sanity check to draw"):
            plot_sanity(nothing)


def test_the_caption_says_what_was_drawn_and_counts_maps_that_say_nothing() -> None:
    caption = sanity_caption(result(), "digits")
    for part in (
        "of the first run of each variant",
        "mean over 3 draws of random weights and 4 images (digits); bands are 95% intervals over draws and images.",
        "Dashed: maps of different images",
        "Dotted: maps of the same images by the variant's other training runs",
        "Grad-CAM at layer3, layer3 2 of 24 maps per part; Guided backpropagation, no map.",
    ):
        assert part in caption
    alone = sanity_caption(result(other_runs=False), "digits")
    assert "of each variant" in alone
    assert "Dotted" not in alone
    once = {what: values[:1] if values.ndim == 2 else values for what, values in result().correlations.items()}
    assert "mean over 1 draw of random weights" in sanity_caption(SanityResult.of(once, NAMES, {"draws": 1}), "digits")
    assert "95% intervals over images alone" in sanity_caption(SanityResult.of(once, NAMES, {"draws": 1}), "digits")
    assert "95% intervals over draws and images" in sanity_methods(result())
    assert "other training runs" in sanity_methods(result())
    assert "other training runs" not in sanity_methods(result(other_runs=False))
