from dataclasses import replace
from itertools import pairwise

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from autola_analysis.analyses.saliency.figure import gradient_display, overlay, plot_saliency
from autola_analysis.analyses.saliency.result import Panel, Picture
from autola_analysis.core.errors import OptionError


def panel(variant: str, method: str = "grad-cam", run: str = "1", scale: float = 1.0, predicted: str = "cat") -> Panel:
    generator = np.random.default_rng(0)
    shape = (8, 8) if "cam" in method else (3, 8, 8)
    values = (scale * generator.random(shape)).astype(np.float32)
    return Panel(variant, run, method, "layer3" if "cam" in method else None, values, predicted, 0.75, 3.0, "ok")


def picture(*panels: Panel, mask: bool = True) -> Picture:
    pixels = np.random.default_rng(1).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    outline = np.zeros((8, 8), dtype=bool)
    outline[2:5, 3:8] = True
    return Picture("cat.png", pixels, outline if mask else None, "cat", "cat", list(panels))


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in [*figure.texts, *(t for ax in figure.axes for t in ax.texts)]]


def images(figure: Figure) -> list[np.ndarray]:
    return [np.asarray(ax.images[0].get_array()) for ax in figure.axes if ax.images]


def test_a_row_per_image_with_input_and_a_map_per_method_and_variant() -> None:
    row = [panel(v, m) for m in ("grad-cam", "guided-backprop") for v in ("SE", "HOGA")]
    figure = plot_saliency([picture(*row), picture(*row)])
    assert len(images(figure)) == 2 * 5
    found = texts(figure)
    assert [text for text in found if text in ("SE", "HOGA")] == ["SE", "HOGA"] * 2
    assert {"Input", "Grad-CAM, layer3", "Guided backpropagation"} <= set(found)
    assert found.count("cat (0.75)") == 8
    assert found.count("cat") == 2
    # the outline is on the inputs and the class activation maps, not on the gradients
    assert [len(ax.collections) for ax in figure.axes if ax.images] == [1, 1, 1, 0, 0] * 2
    assert figure.get_size_inches()[0] == 5.5


def test_of_several_runs_the_first_is_shown() -> None:
    figure = plot_saliency([picture(panel("SE"), panel("SE", run="2", predicted="dog"), mask=False)])
    assert len(images(figure)) == 2
    assert "dog (0.75)" not in texts(figure)


def test_a_shared_scale_shows_which_variant_is_stronger() -> None:
    weak, strong = panel("SE", scale=0.5), panel("HOGA", scale=1.0)
    one = picture(weak, strong, mask=False)
    own, shared = (images(plot_saliency([one], scale=scale)) for scale in ("own", "shared"))
    np.testing.assert_allclose(own[1], own[2], atol=1e-6)
    assert shared[1].sum() < shared[2].sum()
    np.testing.assert_allclose(shared[2], own[2])


def test_a_wrong_prediction_is_red_and_a_map_that_says_nothing_is_named() -> None:
    empty = Panel("SE", "1", "grad-cam", "layer3", np.zeros((8, 8), np.float32), "dog", 0.9, 1.0, "zero")
    figure = plot_saliency([picture(empty)])
    by_text = {text.get_text(): text for ax in figure.axes for text in ax.texts}
    assert by_text["dog (0.90)"].get_color() == "#B23A00"
    assert "zero" in by_text
    assert all(np.isfinite(image).all() for image in images(figure))


def test_another_prediction_than_the_explained_class_is_in_italics_where_there_is_no_label() -> None:
    figure = plot_saliency([replace(picture(panel("SE"), panel("HOGA", predicted="dog")), label="")])
    by_text = {text.get_text(): text for ax in figure.axes for text in ax.texts}
    assert (by_text["dog (0.75)"].get_color(), by_text["dog (0.75)"].get_fontstyle()) == ("black", "italic")
    assert by_text["cat (0.75)"].get_fontstyle() == "normal"


def test_overlay_and_display_stay_within_their_range() -> None:
    pixels = np.full((4, 4, 3), 200, np.uint8)
    for values in (
        np.zeros((4, 4)),
        np.full((4, 4), np.nan),
        np.array([[-1.0, 2.0], [0.0, np.inf]]).repeat(2, 0).repeat(2, 1),
    ):
        shown = overlay(pixels, values.astype(np.float32))
        assert np.isfinite(shown).all()
        assert shown.min() >= 0
        assert shown.max() <= 1
    g = np.random.default_rng(0).normal(5, 3, (3, 6, 6)).astype(np.float32)
    expected = np.clip(0.5 + 0.1 * (g.astype(float) - g.mean(dtype=float)) / g.std(dtype=float), 0, 1)
    np.testing.assert_allclose(gradient_display(g), expected.transpose(1, 2, 0), atol=1e-6)
    assert (gradient_display(np.zeros((3, 2, 2), np.float32)) == 0.5).all()


@pytest.mark.parametrize("methods", [("guided-grad-cam", "grad-cam", "layer-cam", "hires-cam", "gradient")])
def test_heads_of_narrow_groups_do_not_meet(methods: tuple[str, ...]) -> None:
    figure = plot_saliency([picture(*(panel(v, m) for m in methods for v in ("none",)))], "column")
    renderer = FigureCanvasAgg(figure).get_renderer()
    heads = [text for text in figure.texts if text.get_text() not in ("Input", "none")]
    boxes = sorted((text.get_window_extent(renderer) for text in heads), key=lambda box: box.x0)
    assert len(boxes) == 5
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))
    assert all(box.y1 <= figure.bbox.y1 for box in boxes)


@pytest.mark.parametrize("variants", [1, 3, 7])
@pytest.mark.parametrize("predicted", ["cat", "automobile", "black and gold garden spider, Argiope aurantia"])
def test_labels_stay_below_their_own_maps(variants: int, predicted: str) -> None:
    rows = [picture(*(panel(f"net {number}", predicted=predicted) for number in range(variants))) for _ in range(2)]
    figure = plot_saliency(rows, "neurips")
    assert variants > 1 or any(text.startswith(predicted[:10]) for text in texts(figure))
    renderer = FigureCanvasAgg(figure).get_renderer()
    for ax in figure.axes:
        if ax.images and (label := ax.texts[-1]).get_text():
            box, own = label.get_window_extent(renderer), ax.get_window_extent(renderer)
            assert box.x0 >= own.x0 - 2
            assert box.x1 <= own.x1 + 2
            below = [other for other in figure.axes if other.images and other.get_position().y1 < ax.get_position().y0]
            assert all(box.y0 > other.get_window_extent(renderer).y1 for other in below)


def test_a_network_with_another_geometry_has_its_own_pixels_below_its_map() -> None:
    larger = Panel(
        "HOGA", "1", "grad-cam", "layer3", np.ones((12, 12), np.float32), "cat", 0.5, 1.0, "ok",
        pixels=np.zeros((12, 12, 3), np.uint8), mask=np.eye(12, dtype=bool),
    )  # fmt: skip
    assert [image.shape[0] for image in images(plot_saliency([picture(panel("SE"), larger)]))] == [8, 8, 12]


def test_drawing_leaves_the_users_settings_alone_and_refuses_nothing() -> None:
    before = dict(mpl.rcParams)
    plot_saliency([picture(panel("SE"))])
    assert dict(mpl.rcParams) == before
    with pytest.raises(OptionError, match="no map to draw"):
        plot_saliency([])
    with pytest.raises(OptionError, match="scale is own or shared; found 'both'"):
        plot_saliency([picture(panel("SE"))], scale="both")
