"""Where the cells of a layer lie, found by probing: against the formula, and in planted networks."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from autola_analysis.analyses.saliency import plan as planning
from autola_analysis.analyses.saliency.cells import CellAxis, CellGrid
from autola_analysis.analyses.saliency.explain import explain
from autola_analysis.analyses.saliency.explanation import Explanation
from autola_analysis.analyses.saliency.localisation import localise
from autola_analysis.analyses.saliency.receptive_field import probe
from autola_analysis.backbones import create_model
from autola_analysis.core.errors import LayerError, OptionError
from tests.analyses.saliency.naive import naive_bilinear
from tests.analyses.saliency.planted import SIDE, Planted, patches, spots, strided
from tests.inference.networks import Tiny
from tests.inference.state import state_of


def found(model: nn.Module, layer: str, height: int = 32, width: int = 32) -> CellGrid:
    return probe(model, torch.zeros(1, 3, height, width), [layer])[layer]


def offsets(model: Planted, grid: str) -> tuple[np.ndarray, float]:
    """Return the centroid offsets of the maps of bright spots in pixels, and the mean precision."""
    images, masks = spots(40)
    explanation = explain(model, images, "grad-cam", "features", 1, grid=grid)
    metrics = localise(explanation.maps["grad-cam", "features"], masks)
    return SIDE * np.stack([metrics["offset_x"], metrics["offset_y"]]), float(metrics["precision"].mean())


def test_stretched_maps_of_strided_networks_lie_half_a_cell_too_far_right_and_down() -> None:
    biased, precision = offsets(strided(), "stretched")
    np.testing.assert_allclose(biased, (8 - 1) / 2, atol=1e-4)
    unbiased, better = offsets(strided(), "receptive-field")
    np.testing.assert_allclose(unbiased, 0, atol=1e-4)
    assert better > precision + 0.2


def test_where_kernels_are_as_wide_as_their_strides_stretching_is_right() -> None:
    grid = found(patches(), "features", SIDE, SIDE)
    for axis in (grid.rows, grid.columns):
        assert (axis.stride, axis.first, axis.shift) == pytest.approx((8, 4, 0), abs=1e-5)
    for choice in ("stretched", "receptive-field"):
        np.testing.assert_allclose(offsets(patches(), choice)[0], 0, atol=1e-4)


SHAPES = st.sampled_from([(1, 1, 0, 1), (3, 1, 1, 1), (3, 2, 1, 1), (3, 2, 0, 1), (2, 2, 0, 1), (5, 1, 2, 1),
                          (4, 2, 1, 1), (3, 1, 2, 2), (3, 1, 0, 1)])  # fmt: skip
KINDS = st.sampled_from(["conv", "max", "mean"])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(KINDS, SHAPES), min_size=1, max_size=4))
def test_the_probe_finds_what_the_formula_says(parts: list[tuple[str, tuple[int, int, int, int]]]) -> None:
    layers: list[nn.Module] = []
    stride, first = 1, 0.5
    for kind, (kernel, step, padding, dilation) in parts:
        if kind == "conv" or padding > kernel // 2 or dilation > 1:
            layers += [nn.Conv2d(3, 3, kernel, step, padding, dilation), nn.BatchNorm2d(3), nn.ReLU()]
        else:
            layers.append((nn.MaxPool2d if kind == "max" else nn.AvgPool2d)(kernel, step, padding))
        first += stride * ((kernel - 1) / 2 * dilation - padding)
        stride *= step
    grid = found(Planted(*layers), "features", 96, 112)
    for axis in (grid.rows, grid.columns):
        assert (axis.stride, axis.first) == pytest.approx((stride, first), abs=0.02)


@pytest.mark.parametrize("attention", ["none", "se", "cbam", "hoga"])
def test_gates_do_not_move_the_cells(attention: str) -> None:
    grid = found(create_model("resnet20", attention, num_classes=10), "layer3")
    for axis in (grid.rows, grid.columns):
        assert (axis.stride, axis.first, axis.shift) == pytest.approx((4, 0.5, -1.5), abs=1e-3)


def test_a_resnet_of_imagenet_is_off_by_half_of_its_stride() -> None:
    grids = probe(torchvision.models.resnet18(), torch.zeros(1, 3, 128, 96), ["layer1", "layer4"])
    for layer, stride in (("layer1", 4), ("layer4", 32)):
        for axis in (grids[layer].rows, grids[layer].columns):
            assert (axis.stride, axis.first, axis.shift) == pytest.approx((stride, 0.5, (1 - stride) / 2), abs=0.02)


class Pools(nn.Module):
    """Pools by functions, which no hook sees."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.avg_pool2d(nn.functional.max_pool2d(x, 3, 2, 1), 2)


def test_max_pooling_by_a_function_does_not_favour_an_end_of_its_window() -> None:
    axis = found(Planted(nn.Conv2d(3, 4, 3, 1, 1), Pools()), "features", 64, 64).rows
    assert (axis.stride, axis.first) == pytest.approx((4, 1.5), abs=1e-3)


class Everywhere(nn.Module):
    """Adds to every position a mean over all, weighted by softmax: a global context."""

    def forward(self, x: Tensor) -> Tensor:
        weights = x.mean(1, keepdim=True).flatten(2).softmax(2)
        return x + (x.flatten(2) @ weights.transpose(1, 2))[..., None]


class Tokens(nn.Module):
    """Puts out tokens ``(B, N, C)``."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(2).transpose(1, 2)


class Spread(nn.Module):
    """Gives every position the mean of all."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3), keepdim=True).expand_as(x)


class Uneven(nn.Module):
    """Leaves out a row in the middle."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x[:, :, :8], x[:, :, 20:]], 2)


def test_what_all_cells_depend_on_alike_does_not_move_them() -> None:
    convolution = nn.Conv2d(3, 4, 3, 2, 1)
    axis = found(Planted(convolution, Everywhere(), nn.LayerNorm(16), nn.GELU()), "features").rows
    assert (axis.stride, axis.first) == pytest.approx((2, 0.5), abs=1e-3)


def test_tokens_are_probed_in_the_shape_that_reshape_gives() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 8, 8), Tokens())
    reshape: Callable[[Tensor], Tensor] = lambda x: x.transpose(1, 2).unflatten(2, (4, 4))  # noqa: E731
    axis = probe(network, torch.zeros(1, 3, 32, 32), ["1"], reshape)["1"].rows
    assert (axis.stride, axis.first) == pytest.approx((8, 4), abs=1e-4)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (Spread(), "no cell of layer 'features' depends on one place of the image more than the others do"),
        (nn.AdaptiveAvgPool2d(1), "puts out 1 x 1 cells, and where one cell alone lies shows nothing"),
        (Tokens(), r"puts out shape \(2, 1024, 3\); only the cells of a feature map"),
        (Uneven(), "lie on no regular grid in the image"),
    ],
)
def test_cells_that_have_no_place_are_refused_and_the_network_is_as_before(layer: nn.Module, message: str) -> None:
    model = nn.Sequential()
    model.add_module("norm", nn.BatchNorm2d(3))
    model.add_module("features", layer)
    before = state_of(model)
    with pytest.raises(LayerError, match=message) as raised:
        found(model, "features")
    assert "\n" not in str(raised.value)
    assert state_of(model) == before


def test_probing_leaves_the_network_as_it_was() -> None:
    model = Tiny().train()
    before = state_of(model)
    with torch.inference_mode():
        grid = found(model, "layer2")
    assert state_of(model) == before
    assert grid == found(model, "layer2")


def test_maps_are_interpolated_between_the_cells() -> None:
    generator = torch.Generator().manual_seed(0)
    maps = torch.rand(2, 4, 5, generator=generator)
    stretched = CellGrid.stretched((4, 5), (12, 20))
    expected = np.stack([naive_bilinear(each.double().numpy(), (12, 20)) for each in maps])
    np.testing.assert_allclose(stretched.place(maps), expected, atol=1e-6)
    np.testing.assert_allclose(
        stretched.rows.interpolation() @ maps @ stretched.columns.interpolation().T, expected, atol=1e-6
    )
    # Cells at 0.5, 3.5, ...: every third pixel is a cell.
    moved = CellGrid(CellAxis(4, 12, 3, 0.5), CellAxis(5, 20, 4, 0.5)).place(maps)
    torch.testing.assert_close(moved[:, ::3, ::4], maps)
    torch.testing.assert_close(moved[:, 10:], moved[:, 9:10].expand(-1, 2, -1))  # constant beyond the last cells
    torch.testing.assert_close(moved[:, 1], (2 * moved[:, 0] + moved[:, 3]) / 3)


def test_cells_average_the_squares_around_them() -> None:
    masks = torch.zeros(1, 6, 6)
    masks[0, 0:3, 2:5] = 1
    stretched = CellGrid.stretched((2, 2), (6, 6)).average(masks)
    assert stretched.tolist() == [[[pytest.approx(1 / 3), pytest.approx(2 / 3)], [0, 0]]]
    # Squares around 0.5 and 3.5, of which the first reaches out of the image: [-1, 2) and [2, 5).
    moved = CellGrid(CellAxis(2, 6, 3, 0.5), CellAxis(2, 6, 3, 0.5)).average(masks)
    assert moved.tolist() == [[[0, 1], [0, pytest.approx(1 / 3)]]]


def test_the_grid_is_recorded_saved_and_taken_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    model = Tiny()
    model.fc.weight.data.abs_()  # so that no map is zero
    methods = ["grad-cam", "guided-grad-cam", "gradient", "captum:LayerGradCam"]
    first = explain(model, images, methods, target=0, grid="receptive-field")
    assert first.settings["grid"] == "receptive-field"
    assert first.settings["cells"] == {"layer2": {"stride": [2, 2], "first": [0.5, 0.5], "shift": [-0.5, -0.5]}}
    torch.testing.assert_close(first.maps["grad-cam", "layer2"], first.maps["captum:LayerGradCam", "layer2"])
    first.save(tmp_path / "kept")
    assert Explanation.load(tmp_path / "kept").grids == first.grids
    plain = explain(model, images, methods, target=0)
    assert plain.settings["cells"] == {"layer2": {"stride": [2, 2], "first": [1, 1], "shift": [0, 0]}}
    assert not torch.equal(plain.maps["guided-grad-cam", "layer2"], first.maps["guided-grad-cam", "layer2"])
    assert torch.equal(plain.maps["gradient", None], first.maps["gradient", None])
    monkeypatch.setattr(planning, "probe", lambda *_: pytest.fail("the network was probed"))
    again = explain(model, images, methods, target=0, grid=first.grids)
    assert all(torch.equal(again.maps[key], maps) for key, maps in first.maps.items())
    explain(model, images, "gradient", target=0, grid="receptive-field")  # explains at no layer
    with pytest.raises(OptionError, match="grid is one of stretched, receptive-field; found 'half'"):
        explain(model, images, grid="half")
