from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from autola_analysis.analyses.embedding.embed import embed
from autola_analysis.analyses.embedding.figure import plot_embedding, plot_knn_accuracy, procrustes
from autola_analysis.analyses.embedding.labels import spread_labels
from autola_analysis.analyses.embedding.result import Embedding
from autola_analysis.core.errors import OptionError
from autola_analysis.report.figures import write_figure
from autola_analysis.report.style import CLASS_COLOURS
from tests.analyses.embedding.points import blobs

MACHADO = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
}


@pytest.fixture(scope="module")
def one() -> Embedding:
    return embed(blobs(60), method="pca", device="cpu", quiet=True)


def panels(figure: Figure) -> list[mpl.axes.Axes]:
    return [ax for ax in figure.axes if ax.collections]


def points(ax: mpl.axes.Axes) -> PathCollection:
    (collection,) = [each for each in ax.collections if isinstance(each, PathCollection)]
    return collection


def texts(ax: mpl.axes.Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


def variants(one: Embedding, *names: str, **changes: object) -> list[Embedding]:
    return [replace(one, model=name, **changes) for name in names]


def test_one_backbone_is_a_row_of_panels_titled_by_variant(one: Embedding) -> None:
    figure = plot_embedding(variants(one, "none", "SE", "HOGA"))
    assert [ax.get_title() for ax in panels(figure)] == ["none", "SE", "HOGA"]
    assert len({round(ax.get_position().y0, 2) for ax in panels(figure)}) == 1


def test_several_backbones_are_rows_and_variants_columns_also_with_a_gap(one: Embedding) -> None:
    rows = [variants(one, "none", "SE", "HOGA", backbone=backbone) for backbone in ("resnet20", "resnet56")]
    figure = plot_embedding([*rows[0], *rows[1][:2]])
    assert len(figure.axes) == 6
    assert len(panels(figure)) == 5
    assert [ax.get_title() for ax in figure.axes[:3]] == ["none", "SE", "HOGA"]
    assert "resnet20" in texts(figure.axes[0])
    assert "resnet56" in texts(figure.axes[3])


def test_the_same_attention_under_other_names_in_other_backbones_is_one_column(one: Embedding) -> None:
    cells = [
        replace(one, model=f"{backbone} {attention}", backbone=backbone, attention=attention)
        for backbone in ("resnet20", "resnet56")
        for attention in ("none", "hoga")
    ]
    figure = plot_embedding(cells)
    assert [ax.get_title() for ax in panels(figure)] == ["none", "HOGA", "", ""]
    backbones = [replace(one, model=name, backbone=name, attention="none") for name in ("resnet20", "resnet56")]
    assert [ax.get_title() for ax in panels(plot_embedding(backbones))] == ["resnet20", "resnet56"]
    two_of_a_kind = [*cells, replace(cells[0], model="another")]
    assert panels(plot_embedding(two_of_a_kind))[0].get_title() == "resnet20 none"


def test_backbones_that_are_the_variants_themselves_make_no_empty_grid(one: Embedding) -> None:
    each = [replace(one, model=name, backbone=name) for name in ("resnet20", "resnet32", "resnet56")]
    assert len(plot_embedding(each).axes) == 3


def test_several_layers_are_rows_and_the_first_seed_and_run_are_drawn(one: Embedding) -> None:
    layers = [replace(one, model=name, layer=layer) for layer in ("layer1", "layer3") for name in ("none", "SE")]
    other_seed = replace(layers[0], coords=one.coords + 5, params={**one.params, "seed": 1})
    figure = plot_embedding([*layers, other_seed, replace(layers[0], run="2", coords=one.coords + 9)])
    assert len(panels(figure)) == 4
    assert sorted(points(panels(figure)[0]).get_offsets().tolist()) == sorted(one.coords.tolist())
    runs = plot_embedding([one, replace(one, run="2")])
    assert [ax.get_title() for ax in panels(runs)] == ["model", "model (run 2)"]


def test_every_image_is_drawn_in_the_colour_of_its_class_rasterised(one: Embedding) -> None:
    drawn = points(panels(plot_embedding(one))[0])
    assert drawn.get_rasterized()
    drawn_at = zip(drawn.get_offsets(), drawn.get_facecolors(), strict=True)
    colour_at = {tuple(place): tuple(colour[:3]) for place, colour in drawn_at}
    for place, label in zip(one.coords, one.labels, strict=True):
        assert colour_at[tuple(place)] == to_rgb(CLASS_COLOURS[label])


def test_classes_are_labelled_by_name_or_by_number_with_a_legend(one: Embedding) -> None:
    figure = plot_embedding(replace(one, classes=("cat", "dog", "frog")))
    assert texts(panels(figure)[0]) == ["cat", "dog", "frog"]
    assert figure.legends == []
    figure = plot_embedding(replace(one, classes=("great white shark", "dog", "frog")))
    assert texts(panels(figure)[0]) == ["0", "1", "2"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["0 great white shark", "1 dog", "2 frog"]


@pytest.mark.parametrize("classes", [20, 21, 100])
def test_many_classes_are_coloured_by_their_place_and_not_labelled(classes: int) -> None:
    embedding = embed(blobs(300, classes), method="pca", device="cpu", quiet=True)
    figure = plot_embedding([embedding, replace(embedding, model="b", coords=-embedding.coords)])
    first, second = panels(figure)
    assert len(texts(first)) == (20 if classes == 20 else 0)
    colours = [{tuple(row) for row in points(ax).get_facecolors()} for ax in (first, second)]
    assert len(colours[0]) == classes
    assert colours[0] == colours[1]


def far_apart(colours: tuple[str, ...], matrix: np.ndarray) -> float:
    """Return the smallest CIELAB distance between two colours as somebody sees them."""
    rgb = np.array([to_rgb(colour) for colour in colours])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(matrix).T, 0, 1)
    xyz = seen @ np.array([[0.4125, 0.3576, 0.1804], [0.2127, 0.7152, 0.0722], [0.0193, 0.1192, 0.9503]]).T
    f = np.cbrt(xyz / [0.9505, 1, 1.0888])
    lab = np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)
    distances = np.linalg.norm(lab[:, None] - lab[None], axis=2)
    return float(distances[~np.eye(len(lab), dtype=bool)].min())


@pytest.mark.parametrize("eyes", MACHADO)
def test_colours_can_be_told_apart_by_everybody(eyes: str) -> None:
    assert len(set(CLASS_COLOURS)) == 20
    assert far_apart(CLASS_COLOURS[:10], MACHADO[eyes]) > 20
    assert far_apart(CLASS_COLOURS, MACHADO[eyes]) > 10


def test_panels_are_aligned_for_display_only(one: Embedding) -> None:
    angle = np.array([[0.6, -0.8], [0.8, 0.6]]) @ np.diag([1, -1])
    turned = replace(one, model="turned", coords=3 * one.coords @ angle + 7)
    before = turned.coords.copy()
    first, second = panels(plot_embedding([one, turned], align=True))
    np.testing.assert_allclose(points(first).get_offsets(), points(second).get_offsets(), atol=1e-9)
    np.testing.assert_array_equal(turned.coords, before)
    first, second = panels(plot_embedding([one, turned]))
    assert not np.allclose(points(first).get_offsets(), points(second).get_offsets())


def test_procrustes_is_scipys() -> None:
    from scipy.spatial import procrustes as of_scipy

    generator = np.random.default_rng(0)
    target, coords = generator.normal(size=(20, 2)), generator.normal(size=(20, 2))
    aligned = procrustes(coords, target)
    wanted, expected, _ = of_scipy(target, coords)
    scale = np.linalg.norm(target - target.mean(0))
    np.testing.assert_allclose((aligned - target.mean(0)) / scale, expected, atol=1e-12)
    np.testing.assert_allclose((target - target.mean(0)) / scale, wanted, atol=1e-12)
    np.testing.assert_allclose(procrustes(np.ones((20, 2)), target), np.tile(target.mean(0), (20, 1)))


@settings(max_examples=40, deadline=None)
@given(labels=st.integers(1, 12), seed=st.integers(0, 999), spread=st.sampled_from([0.0, 0.1, 1.0]))
def test_labels_are_kept_inside_and_apart(labels: int, seed: int, spread: float) -> None:
    anchors = 0.5 + spread * (np.random.default_rng(seed).random((labels, 2)) - 0.5)
    sizes = np.tile([0.2, 0.05], (labels, 1))
    centres = spread_labels(anchors, sizes, np.zeros(2), np.ones(2))
    assert ((centres - sizes / 2 >= -1e-9) & (centres + sizes / 2 <= 1 + 1e-9)).all()
    for i in range(labels):
        for j in range(i):
            assert (np.abs(centres[i] - centres[j]) >= 0.99 * sizes[0]).any()


def test_labels_that_do_not_overlap_stay_where_they_are() -> None:
    anchors = np.array([[0.2, 0.2], [0.8, 0.8], [0.2, 0.8]])
    np.testing.assert_array_equal(spread_labels(anchors, np.full((3, 2), 0.1), np.zeros(2), np.ones(2)), anchors)


def test_panels_of_other_images_or_none_are_refused(one: Embedding) -> None:
    with pytest.raises(OptionError, match="panels of one figure show the same images; b and model were run on others"):
        plot_embedding([one, replace(one, model="b", ids=tuple("x" + name for name in one.ids))])
    for plot in (plot_embedding, plot_knn_accuracy):
        with pytest.raises(OptionError, match="no embedding to draw"):
            plot([])


def test_one_axes_takes_one_embedding(one: Embedding) -> None:
    ax = Figure().subplots()
    assert plot_embedding(one, ax=ax) is ax
    assert len(points(ax).get_offsets()) == 60
    with pytest.raises(OptionError, match="one Axes takes one embedding; found 2"):
        plot_embedding([one, one], ax=ax)


def test_positions_that_are_not_finite_are_left_out(one: Embedding) -> None:
    coords = one.coords.copy()
    coords[:5] = np.nan
    figure = plot_embedding([replace(one, coords=coords), one], align=True)
    assert len(points(panels(figure)[0]).get_offsets()) == 55
    nothing = plot_embedding([one, replace(one, model="b", coords=np.full_like(coords, np.nan))], align=True)
    assert texts(nothing.axes[1]) == ["not finite"]


def test_the_accuracy_figure_shows_value_and_interval(one: Embedding) -> None:
    both = [replace(one, model="SE"), replace(one, model="HOGA"), replace(one, model="HOGA", run="2")]
    (ax,) = plot_knn_accuracy(both).axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["SE", "HOGA"]
    row = one.quality.iloc[0]
    lines, dots = ax.lines[::2], ax.lines[1::2]
    assert len(dots) == 3
    assert lines[0].get_xdata() == pytest.approx([100 * row["ci_low"], 100 * row["ci_high"]])
    assert dots[0].get_xdata() == pytest.approx([100 * row["value"]])
    assert dots[1].get_ydata() != dots[2].get_ydata()
    (ax,) = plot_knn_accuracy([replace(one, backbone="a"), replace(one, backbone="b")]).axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a, model", "b, model"]


def test_the_users_matplotlib_settings_are_as_before(one: Embedding) -> None:
    before = dict(mpl.rcParams)
    plot_embedding(one)
    plot_knn_accuracy(one)
    assert dict(mpl.rcParams) == before


def test_the_pdf_holds_points_as_an_image_and_text_as_truetype(one: Embedding, tmp_path: Path) -> None:
    write_figure(plot_embedding(one), tmp_path, "embedding", "caption")
    content = (tmp_path / "figures" / "embedding.pdf").read_bytes()
    assert b"/Subtype /Image" in content
    assert b"/FontFile2" in content
    assert b"/Type3" not in content


def test_images_without_labels_are_grey_and_have_no_accuracy_to_draw() -> None:
    embedding = embed(blobs(60).values, method="pca", device="cpu", quiet=True)
    (panel,) = panels(plot_embedding(embedding))
    np.testing.assert_allclose(points(panel).get_facecolors()[:, :3], 0.6)
    assert len(points(panel).get_offsets()) == 60
    assert texts(panel) == []
    with pytest.raises(OptionError, match="without labels there is no accuracy"):
        plot_knn_accuracy(embedding)
