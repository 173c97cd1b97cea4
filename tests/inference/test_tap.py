from typing import Any

import pytest
import torch
from torch import nn

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


class Encoder(nn.Module):
    """Puts out a dict of a tensor and of a tuple that holds a list."""

    def __init__(self) -> None:
        super().__init__()
        self.layer1, self.layer2 = Tiny().layer1, Tiny().layer2

    def forward(self, x: torch.Tensor) -> dict[str, Any]:
        low = self.layer1(x)
        return {"low": low, "high": ("no tensor", [self.layer2(low)]), 3: low + 1}


class OnDict(Tiny):
    """Reads entries of what an encoder puts out."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.encoder(x)["high"][1][0].mean((2, 3)))


def test_a_run_of_a_layer_is_named_by_its_number() -> None:
    model = ReusedReLU().eval()
    with tap(model, ["relu#2", "relu#1"]) as activations:
        for images in (IMAGES, IMAGES[:1]):  # each forward counts anew
            model(images)
            first = model.layer1(images)
            assert torch.equal(activations["relu#1"], first)
            assert torch.equal(activations["relu#2"], model.layer2(first))


def test_an_entry_of_an_output_is_named_by_its_key_or_position() -> None:
    model = OnDict().eval()
    places = ["encoder[low]", "encoder[high][1][0]", "encoder#1[3]"]
    with tap(model, places, lambda layer, activation: (layer, activation.clone())) as kept:
        model(IMAGES)
    expected = model.encoder(IMAGES)
    for place, activation in zip(places, (expected["low"], expected["high"][1][0], expected[3]), strict=True):
        assert kept[place][0] == place
        assert torch.equal(kept[place][1], activation)


@pytest.mark.parametrize(
    ("network", "place", "message"),
    [
        (ReusedReLU, "relu", r"'relu' runs more than once .* or name the run, as in 'relu#2'\.$"),
        (ReusedReLU, "relu#3", r"^there is no 'relu#3': layer 'relu' runs 2 times in a forward\.$"),
        (ReusedReLU, "layer1#2", r"layer 'layer1' runs once in a forward"),
        (ReusedReLU, "relu#0", r"'relu#0' names run 0 of a layer; runs are counted from 1"),
        (OnDict, "encoder", r"'encoder' puts out dict, not a tensor; .* name an entry .* as in 'encoder\[low\]'"),
        (OnDict, "encoder[high]", r"'encoder\[high\]' puts out tuple, not a tensor; .*'encoder\[high\]\[0\]'"),
        (OnDict, "encoder[high][0]", r"'encoder\[high\]\[0\]' puts out str, not a tensor; tap a layer inside it\.$"),
        (OnDict, "encoder[mid]", r"no entry 'mid'; the entries: low, high, 3\."),
        (OnDict, "encoder[high][2]", r"no entry '2'; the entries: 0, 1\."),
        (Tiny, "layer1[0]", r"no entry '0'; the entries: none, it is Tensor"),
    ],
)
def test_a_place_that_is_not_there_is_one_sentence(network: type[Tiny], place: str, message: str) -> None:
    model = network().eval()
    before = state_of(model)
    with pytest.raises(LayerError, match=message), tap(model, [place]):
        model(IMAGES)
    assert state_of(model) == before


def test_the_layer_of_a_place_that_is_unknown_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="no layer 'rel'; the nearest: relu"), tap(ReusedReLU(), ["rel#2[0]"]):
        pass


def test_a_module_whose_very_name_looks_like_a_place_is_that_module() -> None:
    model = Tiny().eval()
    model.add_module("odd#2[0]", model.layer2)
    model.layer2 = nn.Identity()
    model.forward = lambda x: model.get_submodule("odd#2[0]")(model.layer1(x))
    with tap(model, ["odd#2[0]"]) as activations:
        output = model(IMAGES)
    assert torch.equal(activations["odd#2[0]"], output)
