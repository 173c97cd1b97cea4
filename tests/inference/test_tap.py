import pytest
import torch

from autola_analysis.core.errors import LayerError, UnknownNameError
from autola_analysis.inference.tap import tap
from tests.inference.networks import Fails, InPlaceAfterwards, ReusedReLU, Tiny, expectation
from tests.inference.state import state_of

IMAGES = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def test_a_tap_reads_what_the_layer_puts_out() -> None:
    model = Tiny().eval()
    with tap(model, ["layer1", "layer2"]) as activations:
        model(IMAGES)
    expected = model.layer1(IMAGES)
    assert torch.equal(activations["layer1"], expected)
    assert torch.equal(activations["layer2"], model.layer2(expected))


def test_a_tap_keeps_the_activation_when_later_operations_overwrite_it() -> None:
    model = InPlaceAfterwards().eval()
    with tap(model, ["layer1"]) as activations, torch.no_grad():
        model(IMAGES)
    with torch.no_grad():
        assert torch.equal(activations["layer1"], model.layer1(IMAGES))
    assert activations["layer1"].any()


def test_a_reduction_is_applied_inside_the_forward() -> None:
    model = Tiny().eval()
    with tap(model, ["layer1"], lambda layer, activation: (layer, tuple(activation.shape))) as kept:
        model(IMAGES)
    assert kept == {"layer1": ("layer1", (2, 6, 8, 8))}


def test_each_forward_starts_anew() -> None:
    model = Tiny().eval()
    with tap(model, ["layer1"]) as activations:
        model(IMAGES)
        model(IMAGES[:1])
        assert activations["layer1"].shape[0] == 1


def test_a_module_used_twice_in_a_forward_is_refused_as_ambiguous() -> None:
    model = ReusedReLU().eval()
    before = state_of(model)
    with pytest.raises(LayerError, match="'relu' runs more than once in a forward"), tap(model, ["relu"]):
        model(IMAGES)
    assert state_of(model) == before


def test_an_output_that_is_no_tensor_is_refused() -> None:
    model = torch.nn.Sequential(torch.nn.LSTM(4, 4))
    with pytest.raises(LayerError, match="'0' puts out tuple, not a tensor"), tap(model, ["0"]):
        model(torch.zeros(3, 1, 4))


def test_an_unknown_layer_is_answered_with_the_nearest_and_leaves_no_hook() -> None:
    model = Tiny()
    before = state_of(model)
    with (
        pytest.raises(UnknownNameError, match=r"no layer 'layer3'; the nearest: layer2"),
        tap(model, ["layer1", "layer3"]),
    ):
        pass
    assert state_of(model) == before


@pytest.mark.parametrize("network", [Tiny, Fails])
def test_hooks_are_gone_afterwards_also_after_an_exception(network: type[Tiny]) -> None:
    model = network().train()
    before = state_of(model)
    with expectation(network), tap(model, ["layer1", "layer2"]):
        model.eval()(IMAGES)
    model.train()
    assert state_of(model)["hooks"] == before["hooks"]
