"""A network whose trunk is folded and fused, against the network itself: values, gradients, what stays as it is."""

from collections.abc import Callable
from threading import Lock
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

from autola_analysis.backbones import create_model
from autola_analysis.inference import trunk as trunk_module
from autola_analysis.inference.fusing import can_fuse
from autola_analysis.inference.gradients import Gradients, gradients
from autola_analysis.inference.tasks import Classification
from autola_analysis.inference.trunk import faster_trunk
from tests.inference.networks import Tiny
from tests.inference.state import state_of
from tests.inference.test_fusing import images, randomised

best = Classification().score()
Build = Callable[[], nn.Module]


def resnet20(attention: str = "none") -> nn.Module:
    return create_model("resnet20", attention=attention, num_classes=10)


def assert_same(found: Gradients, expected: Gradients) -> None:
    torch.testing.assert_close(found.output, expected.output, rtol=1e-4, atol=1e-4 * float(expected.output.abs().max()))
    for of_found, of_expected in ((found.activations, expected.activations), (found.layers, expected.layers)):
        for layer, values in of_expected.items():
            assert of_found[layer].is_contiguous()
            torch.testing.assert_close(of_found[layer], values, rtol=1e-4, atol=1e-4 * float(values.abs().max()))


@pytest.mark.parametrize(
    ("build", "layers", "folded", "fused"),
    [
        (resnet20, ["layer3"], 21, 10),
        (lambda: resnet20("hoga"), ["layer3"], 100, 10),
        (lambda: resnet20("se"), ["layer3", "layer2"], 13, 7),
        (lambda: torchvision.models.resnet18(num_classes=10), ["layer4"], 20, 9),
        (lambda: torchvision.models.resnet18(num_classes=10), ["layer2.0.relu#2"], 6, 3),
        (lambda: torchvision.models.resnet18(num_classes=10), ["layer2.0.conv1"], 5, 3),
        (lambda: torchvision.models.resnet18(num_classes=10), ["layer2.0.bn1", "layer4"], 5, 3),
    ],
)
def test_gradients_on_a_faster_trunk_are_those_of_the_network(
    build: Build, layers: list[str], folded: int, fused: int
) -> None:
    torch.manual_seed(0)
    model = randomised(build())
    trunk = faster_trunk(model, layers, images())
    assert trunk.reason == ""
    assert trunk.folded >= folded
    assert trunk.fused >= (fused if can_fuse() else 0)
    for count in (4, 1):
        batch = images(count, 32)
        assert_same(gradients(trunk.model, batch, best, layers), gradients(model, batch, best, layers))


def test_from_the_first_layer_on_everything_is_as_it_was() -> None:
    torch.manual_seed(0)
    model = randomised(resnet20())
    trunk = faster_trunk(model, ["layer3", "layer2"], images())
    kept = {name: module for name, module in trunk.model.named_modules() if isinstance(module, nn.BatchNorm2d)}
    above = [name for name, module in model.named_modules() if isinstance(module, nn.BatchNorm2d)]
    assert list(kept) == [name for name in above if name.startswith("layer3")]
    own = dict(model.named_parameters())
    for name, parameter in trunk.model.named_parameters():
        assert not parameter.is_inference()
        assert parameter.is_contiguous()
        if name.startswith(("layer3", "fc")):
            assert torch.equal(parameter, own[name])


def test_the_callers_network_is_not_touched() -> None:
    model = Tiny().train()
    before = state_of(model)
    faster_trunk(model, ["layer2"], images())
    assert state_of(model) == before


def test_weights_from_the_first_layer_on_are_the_networks_own_memory() -> None:
    model = randomised(resnet20()).requires_grad_()
    trunk = faster_trunk(model, ["layer2"], images())
    own = dict(model.named_parameters())
    for name, parameter in trunk.model.named_parameters():
        own_memory = name in own and parameter.data_ptr() == own[name].data_ptr()
        assert own_memory is name.startswith(("layer3", "fc"))
        assert not parameter.requires_grad
    assert all(parameter.requires_grad for parameter in own.values())


@pytest.mark.parametrize("network", [Tiny, resnet20])
def test_a_copy_that_puts_out_something_else_does_not_run(network: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    original = trunk_module.fold

    def spoiled(model: nn.Module, pairs: Any) -> dict[str, nn.Module]:
        replaced = original(model, pairs)
        weight = model.get_submodule(next(iter(replaced))).weight
        assert isinstance(weight, Tensor)
        weight.mul_(1.01)
        return replaced

    monkeypatch.setattr(trunk_module, "fold", spoiled)
    model = randomised(network())
    trunk = faster_trunk(model, ["layer2"], images())
    assert trunk.model is model
    assert trunk.described() == {
        "batch_norms_folded": 0,
        "blocks_fused": 0,
        "as_it_is": "its faster copy puts out something else",
    }


@pytest.mark.skipif(not can_fuse(), reason="this build of torch has no oneDNN operators")
def test_what_cannot_be_fused_is_folded_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    original = trunk_module.fuse

    def spoiled(model: nn.Module, tapped: Any) -> list[nn.Module]:
        replaced = original(model, tapped)
        for module in replaced:
            own = module.forward
            module.forward = lambda x, own=own: own(x) * 1.01
        return replaced

    monkeypatch.setattr(trunk_module, "fuse", spoiled)
    model = randomised(resnet20())
    trunk = faster_trunk(model, ["layer3"], images())
    assert (trunk.folded, trunk.fused, trunk.reason) == (21, 0, "")
    assert_same(gradients(trunk.model, images(), best, ["layer3"]), gradients(model, images(), best, ["layer3"]))


def test_a_network_that_cannot_be_copied_runs_itself() -> None:
    model = Tiny().eval()
    model.lock = Lock()
    trunk = faster_trunk(model, ["layer2"], images())
    assert trunk.model is model
    assert trunk.reason.startswith("it cannot be copied (")


def test_a_network_without_anything_to_fold_runs_itself() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert faster_trunk(model, ["1"], images()).reason == "nothing in it can be folded"
