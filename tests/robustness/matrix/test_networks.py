"""Whatever a network is wrapped in and computes in, and whether or not it can be copied: the numbers are right."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

import autola_analysis as autola
from tests.inference.state import state_of
from tests.robustness.conftest import EVERYTHING

from . import naive
from .axes import AXES, TYPES, Cell, cells, network_of, pairwise

IMAGES = torch.rand(30, 3, 9, 9, generator=torch.Generator().manual_seed(1)) * 2 - 1
LABELS = torch.arange(30) % 3
ROUNDING = {"float32": 2e-6, "half": 4e-3, "bfloat16": 3e-2, "double": 2e-7}
"""Largest differences, of numbers about 1: some roundings of the type; spatial means are taken in float32."""

matrix = pytest.mark.parametrize(
    "cell", cells(AXES) if EVERYTHING else pairwise(AXES), ids=lambda cell: ", ".join(cell.values())
)


def near(found: np.ndarray, expected: np.ndarray, cell: Cell) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=ROUNDING[cell["type"]] * max(1.0, np.abs(expected).max()))


def images_of(cell: Cell) -> torch.Tensor:
    """Return the images as the network sees them."""
    return IMAGES.to(TYPES[cell["type"]]).double()


def attributes_of(module: nn.Module) -> dict[str, object]:
    """Return the attributes of a module, but what its own forward keeps."""
    return {name: value for name, value in vars(module).items() if name != "features"}


@matrix
def test_a_pass_gives_the_naive_numbers_and_leaves_the_network_as_it_was(cell: Cell) -> None:
    network, reference = network_of(cell)
    before, attributes = state_of(network), [dict(vars(module)) for module in network.modules()]
    result = autola.measure_selectivity(network, TensorDataset(IMAGES, LABELS))
    assert state_of(network) == before
    assert [dict(vars(module)) for module in network.modules()] == attributes
    with torch.no_grad():
        activities = [stage.mean((2, 3)).numpy() for stage in naive.stages(reference, images_of(cell))]
        correct = naive.logits(reference, images_of(cell)).argmax(1) == LABELS
    layers = result.units["layer"].unique()
    assert [layer.split(".")[-1] for layer in layers] == ["layer1", "layer2"]
    for layer, activity in zip(layers, activities, strict=True):
        of_layer = result.units[result.units["layer"] == layer]
        near(of_layer["selectivity"].to_numpy(), naive.selectivity(activity, LABELS.numpy()), cell)
    if cell["type"] in ("float32", "double"):  # in the others two logits can round to one number
        assert result.accuracy.top1 == pytest.approx(correct.double().mean().item())


@matrix
def test_the_record_says_in_what_the_network_computed_and_whether_a_copy_ran(cell: Cell) -> None:
    network, _ = network_of(cell)
    features = autola.extract_features(network, TensorDataset(IMAGES, LABELS), layer=None)
    arithmetic = features.settings
    number_type = str(TYPES[cell["type"]]).removeprefix("torch.")
    copied = "uncopyable" not in cell["wrapping"]
    assert (arithmetic["number_type"], arithmetic["copied"]) == (number_type, copied)
    assert (arithmetic["batch_norms_folded"] == 2) == (copied and number_type in ("float32", "float64"))
    said = " ".join(features.warnings)
    assert (f"weights are {number_type}" in said) == (number_type != "float32")
    assert ("cannot be copied" in said) != copied


@matrix
def test_maps_are_the_naive_ones_and_the_network_is_as_it_was(cell: Cell) -> None:
    network, reference = network_of(cell)
    before, attributes = state_of(network), [attributes_of(module) for module in network.modules()]
    explanation = autola.explain(network, IMAGES, ("grad-cam", "guided-backprop"), target=LABELS)
    assert state_of(network) == before
    assert [attributes_of(module) for module in network.modules()] == attributes
    (layer,) = {layer for _, layer in explanation.maps if layer}
    with torch.no_grad():
        expected_logits = naive.logits(reference, images_of(cell))
        expected = naive.grad_cam(reference, images_of(cell), LABELS)
    near(explanation.logits.numpy(), expected_logits.numpy(), cell)
    near(explanation.maps["grad-cam", layer].numpy(), expected.numpy(), cell)
    assert explanation.settings["guided_relus"] == 2


@matrix
def test_metrics_of_predictions_are_the_naive_ones(cell: Cell) -> None:
    network, reference = network_of(cell)
    found = autola.evaluate(network, TensorDataset(IMAGES, LABELS)).predictions
    with torch.no_grad():
        shares = naive.logits(reference, images_of(cell)).softmax(1)
    (predictions,) = found.values() if isinstance(found, dict) else (found,)
    near(predictions.nll, -shares[range(30), LABELS].log().numpy(), cell)
    near(predictions.confidence, shares.amax(1).numpy(), cell)


@pytest.mark.parametrize("name", ["layer2", "module.layer2", "_orig_mod.layer2"])
@pytest.mark.parametrize("wrapping", ["plain", "DataParallel", "compiled"])
def test_a_layer_may_be_named_with_or_without_the_wrappers_names(wrapping: str, name: str) -> None:
    network, reference = network_of({"type": "float32", "wrapping": wrapping})
    found = autola.explain(network, IMAGES, "grad-cam", name, target=LABELS).maps["grad-cam", name]
    near(found.numpy(), naive.grad_cam(reference, IMAGES, LABELS).detach().numpy(), {"type": "float32"})


def test_every_pair_of_values_of_any_axes_is_among_the_cells_of_a_quick_run() -> None:
    axes = {"a": ["1", "2", "3"], "b": ["1", "2"], "c": ["1", "2", "3"], "d": ["1", "2"]}
    few = pairwise(axes)
    for first, second in (("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")):
        found = {(cell[first], cell[second]) for cell in few}
        assert len(found) == len(axes[first]) * len(axes[second])
    assert len(few) < len(cells(axes)) / 2
