"""The figures show what the results hold."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from autola_analysis.analyses.evaluate.figure import plot_class_accuracy, plot_confusion, shares_of_labels
from autola_analysis.analyses.evaluate.result import EvaluationResult
from autola_analysis.core.errors import OptionError
from tests.analyses.evaluate.networks import drawn, evaluated


def results(classes: int, *names: str, images: int = 200) -> list[EvaluationResult]:
    _, labels = drawn(images, classes)
    found = []
    for seed, name in enumerate(names):
        logits = torch.randn(images, classes, generator=torch.Generator().manual_seed(seed))
        logits[torch.arange(images), labels] += 1.5
        run = str(1 + names[:seed].count(name))
        found.append(evaluated(logits, labels, [f"class {number}" for number in range(classes)], name, run))
    return found


def test_a_dot_and_an_interval_per_class_and_variant() -> None:
    networks = results(4, "a", "b")
    figure = plot_class_accuracy(networks)
    (ax,) = figure.axes
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    for dot, segments, result in zip(dots, ax.collections, networks, strict=True):
        np.testing.assert_array_equal(dot.get_xdata(), result.per_class["top1"])
        ends = [[low, high] for (low, _), (high, _) in segments.get_segments()]
        np.testing.assert_array_equal(ends, result.per_class[["ci_low", "ci_high"]])
    assert [label.get_text() for label in ax.get_yticklabels()] == [f"class {number}" for number in range(4)]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b"]


def test_the_runs_of_a_variant_share_a_dot() -> None:
    networks = results(3, "a", "a", "b")
    figure = plot_class_accuracy(networks)
    dots = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert len(dots) == 2
    mean = (networks[0].per_class["top1"] + networks[1].per_class["top1"]) / 2
    np.testing.assert_allclose(np.asarray(dots[0].get_xdata(), dtype=float), mean)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a (2 runs)", "b"]


def test_of_many_classes_those_that_differ_most_are_drawn() -> None:
    networks = results(30, "a", "b", images=600)
    (ax,) = plot_class_accuracy(networks).axes
    spread = (networks[0].per_class["top1"] - networks[1].per_class["top1"]).abs()
    shown = [int(label.get_text().removeprefix("class ")) for label in ax.get_yticklabels()]
    assert len(shown) == 20
    assert spread[shown].is_monotonic_decreasing
    assert spread[shown].min() >= spread.drop(shown).max()


def test_of_many_classes_of_one_variant_the_least_accurate_are_drawn() -> None:
    (network,) = results(30, "a", images=600)
    (ax,) = plot_class_accuracy(network).axes
    shown = [int(label.get_text().removeprefix("class ")) for label in ax.get_yticklabels()]
    top1 = network.per_class["top1"]
    assert top1[shown].max() <= top1.drop(shown).min()


def test_a_matrix_per_variant_of_its_first_run() -> None:
    networks = results(3, "a", "a", "b")
    figure = plot_confusion(networks)
    panels = [ax for ax in figure.axes if ax.images]
    assert [ax.get_title() for ax in panels] == ["a", "b"]
    for panel, result in zip(panels, (networks[0], networks[2]), strict=True):
        drawn_shares = np.ma.filled(panel.images[0].get_array(), np.nan)
        expected = shares_of_labels(result)
        np.testing.assert_array_equal(drawn_shares[~np.eye(3, dtype=bool)], expected[~np.eye(3, dtype=bool)])
        assert np.isnan(np.diag(drawn_shares)).all()
        written = {(text.get_position()[::-1], text.get_text()) for text in panel.texts}
        assert ((1, 1), f"{100 * expected[1, 1]:.0f}") in written
        assert ((0, 2), f"{100 * expected[0, 2]:.0f}") in written
    assert len({panel.images[0].get_clim() for panel in panels}) == 1


def test_shares_are_of_the_labels_images() -> None:
    (result,) = results(5, "a")
    np.testing.assert_allclose(shares_of_labels(result).sum(axis=1), 1)
    np.testing.assert_allclose(np.diag(shares_of_labels(result)), result.per_class["top1"])


def test_figures_are_drawn_into_a_given_axes() -> None:
    (result,) = results(3, "a")
    first, second = Figure().subplots(1, 2)
    assert plot_class_accuracy(result, ax=first) is first
    assert plot_confusion(result, ax=second) is second
    assert first.lines
    assert second.images
    with pytest.raises(OptionError, match="one Axes takes one variant; there are 2"):
        plot_confusion(results(3, "a", "b"), ax=second)


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(OptionError, match="up to 20 classes; there are 21"):
        plot_confusion(results(21, "a"))
    unmeasured = evaluated(*drawn(10, 3), "abcd"[:2] + "cd")
    for plot in (plot_class_accuracy, plot_confusion):
        with pytest.raises(OptionError, match="no measured accuracy"):
            plot(unmeasured)
