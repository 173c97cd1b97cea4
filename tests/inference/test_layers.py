from collections.abc import Callable

import pytest
from torch import nn

from autola_analysis.backbones import create_model
from autola_analysis.core.errors import LayerError, UnknownNameError
from autola_analysis.detectors import create_detector
from autola_analysis.inference.layers import resolve_layers, resolve_places, stage_names
from autola_analysis.inference.places import places_of
from tests.detectors.helpers import TINY
from tests.inference.networks import Tiny


def test_stages_are_taken_where_no_layer_is_asked_for() -> None:
    assert resolve_layers(create_model("resnet20", num_classes=2), None) == ["layer1", "layer2", "layer3"]
    assert stage_names(create_model("resnet18", num_classes=2)) == ["layer1", "layer2", "layer3", "layer4"]


def test_a_network_without_stages_needs_layers() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU())
    assert resolve_layers(model, ["1"]) == ["1"]
    with pytest.raises(LayerError, match=r"no stages named layer1, layer2, ...; name layers, e.g. of: 0, 1"):
        resolve_layers(model, None)


def test_unknown_and_repeated_layers_are_refused() -> None:
    model = create_model("resnet20", num_classes=2)
    with pytest.raises(UnknownNameError, match=r"no layer 'layer1.9'; the nearest: layer1.2, layer1.1, layer1.0"):
        resolve_layers(model, ["layer1.9"])
    with pytest.raises(LayerError, match="named twice: layer1, layer1"):
        resolve_layers(model, ["layer1", "layer1"])


def test_stages_within_one_part_of_a_network_are_found_by_their_full_names() -> None:
    assert stage_names(nn.Sequential(nn.Identity(), Tiny())) == ["1.layer1", "1.layer2"]
    assert stage_names(nn.ModuleDict({"a": nn.ModuleDict({"net": Tiny()}), "loss": nn.Flatten()})) == [
        "a.net.layer1",
        "a.net.layer2",
    ]


def test_stages_of_two_parts_are_not_chosen_from() -> None:
    assert stage_names(nn.ModuleDict({"student": Tiny(), "teacher": Tiny()})) == []


def test_a_stage_inside_a_stage_is_none() -> None:
    network = Tiny()
    network.layer2.add_module("layer1", nn.Identity())
    assert stage_names(network) == ["layer1", "layer2"]


@pytest.mark.parametrize(
    ("network", "around"),
    [
        (lambda: create_detector("ssd300", classes=3, **TINY), "backbone.body"),
        (lambda: create_detector("faster-rcnn", classes=3, **TINY), "backbone.body"),
        (lambda: create_detector("pose", classes=3, **TINY), "backbone"),
        (lambda: nn.ModuleDict({"net": Tiny()}), "net"),
    ],
)
def test_a_name_may_leave_out_what_stands_around_the_stages(network: Callable[[], nn.Module], around: str) -> None:
    model = network()
    full = [f"{around}.layer1", f"{around}.layer2.0#2", f"{around}.layer2[0]"]
    short = [name.removeprefix(f"{around}.") for name in full]
    assert resolve_layers(model, short) == resolve_layers(model, full) == full
    places = resolve_places(model, short)
    assert [place.module for place in places] == [place.module for place in places_of(model, full)]
    assert [place.name for place in places] == short
    with pytest.raises(LayerError, match=rf"named twice: layer1, {around}.layer1"):
        resolve_layers(model, ["layer1", f"{around}.layer1"])
    with pytest.raises(UnknownNameError, match=r"no layer 'layer9'; the nearest: "):
        resolve_layers(model, ["layer9"])


def test_a_name_that_could_mean_two_parts_of_a_network_is_not_completed() -> None:
    with pytest.raises(UnknownNameError, match=r"no layer 'layer1'; the nearest: "):
        resolve_layers(nn.ModuleDict({"student": Tiny(), "teacher": Tiny()}), ["layer1"])


def test_a_network_that_is_one_module_has_no_layers_to_name() -> None:
    with pytest.raises(UnknownNameError, match=r"no layer 'layer1'; it has no submodules to name\."):
        resolve_layers(nn.Flatten(), ["layer1"])


def test_a_name_that_the_network_has_is_taken_as_it_is() -> None:
    network = nn.ModuleDict({"net": Tiny(), "fc": nn.Identity()})
    assert resolve_layers(network, ["fc", "net.fc"]) == ["fc", "net.fc"]
