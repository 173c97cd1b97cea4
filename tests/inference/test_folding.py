import pytest
import torch
from torch import nn

from autola_analysis.attention import list_attentions
from autola_analysis.backbones import create_model
from autola_analysis.inference.copies import Runnable, copied
from autola_analysis.inference.folding import fast_copy, foldable_pairs, prefers_channels_last
from autola_analysis.inference.outputs import same_up_to_rounding
from autola_analysis.inference.tap import tap
from tests.inference.networks import ClampsBeforeTheNorm, ReadsTheWeights, ReusedReLU, SkipsTheNorm, Tiny
from tests.inference.state import state_of

IMAGES = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def relative_difference(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().max() / a.abs().max())


@pytest.mark.parametrize("attention", list_attentions())
def test_the_fast_copy_has_the_logits_and_stages_of_the_network(attention: str) -> None:
    model = create_model("resnet20", attention, 10, width=8).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.normal_(module.running_mean)
    stages = ["layer1", "layer2", "layer3"]
    fast = fast_copy(Runnable(copied(model)), stages, IMAGES)
    assert fast.folded > 20
    assert fast.channels_last
    with torch.no_grad(), tap(model, stages) as expected, tap(fast.model, stages) as found:
        assert relative_difference(model(IMAGES), fast.model(IMAGES)) < 1e-5
    for stage in stages:
        assert relative_difference(expected[stage], found[stage]) < 1e-5


def test_the_callers_network_is_never_touched() -> None:
    model = Tiny().train()
    before = state_of(model)
    fast_copy(Runnable(copied(model)), ["layer1"], IMAGES)
    assert state_of(model) == before


def test_a_tapped_convolution_or_norm_is_not_folded() -> None:
    model = Tiny().eval()
    assert foldable_pairs(model, [], IMAGES)[0] == [("layer1.0", "layer1.1"), ("layer2.0", "layer2.1")]
    assert foldable_pairs(model, ["layer1.0"], IMAGES)[0] == [("layer2.0", "layer2.1")]
    assert foldable_pairs(model, ["layer2.1"], IMAGES)[0] == [("layer1.0", "layer1.1")]
    fast = fast_copy(Runnable(copied(model)), ["layer1.0"], IMAGES).model
    with torch.no_grad(), tap(fast, ["layer1.0"]) as found:
        fast(IMAGES)
        torch.testing.assert_close(found["layer1.0"], model.layer1[0](IMAGES))


def test_a_module_that_somebody_else_hooks_is_not_folded() -> None:
    model = Tiny().eval()
    model.layer1[0].register_forward_hook(lambda module, inputs, output: None)
    assert foldable_pairs(model, [], IMAGES)[0] == [("layer2.0", "layer2.1")]


def test_a_norm_in_training_mode_of_a_frozen_copy_still_uses_running_statistics() -> None:
    model = Tiny().train()
    fast = fast_copy(Runnable(copied(model)), [], IMAGES)
    with torch.no_grad():
        torch.testing.assert_close(fast.model(IMAGES), model.eval()(IMAGES), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("network", [SkipsTheNorm, ClampsBeforeTheNorm])
def test_a_convolution_whose_output_is_read_or_changed_elsewhere_is_not_folded(network: type[Tiny]) -> None:
    model = network().eval()
    assert foldable_pairs(model, [], IMAGES)[0] == [("layer2.0", "layer2.1")]


def test_where_folding_would_change_the_result_the_plain_copy_is_used() -> None:
    model = ReadsTheWeights().eval()
    assert foldable_pairs(model, [], IMAGES)[0] == [("layer1.0", "layer1.1"), ("layer2.0", "layer2.1")]
    fast = fast_copy(Runnable(copied(model)), [], IMAGES)
    assert fast.folded == 0
    assert not fast.channels_last
    assert all(parameter.is_contiguous() for parameter in fast.model.parameters())
    with torch.no_grad():
        assert torch.equal(fast.model(IMAGES), model(IMAGES))


def test_a_norm_that_runs_twice_is_not_folded() -> None:
    model = ReusedReLU().eval()
    model.layer1[1] = nn.BatchNorm2d(6).eval()
    shared = model.layer1[1]
    model.layer2 = nn.Sequential(nn.Conv2d(6, 6, 1), shared, nn.Conv2d(6, 8, 1))
    assert foldable_pairs(model, [], IMAGES)[0] == []


def test_parametrised_convolutions_are_left_alone() -> None:
    model = Tiny().eval()
    nn.utils.parametrizations.weight_norm(model.layer1[0])
    assert foldable_pairs(model, [], IMAGES)[0] == [("layer2.0", "layer2.1")]


def test_activations_are_compared_channel_by_channel() -> None:
    expected = torch.ones(2, 3, 4, 4)
    expected[:, 1] = 0.1
    expected[:, 2] = 1e-4
    for channel, error, same in ((0, 5e-5, True), (1, 5e-5, False), (1, 5e-6, True), (2, 4e-6, True), (2, 1e-5, False)):
        found = expected.clone()
        found[1, channel, 2, 3] += error
        assert same_up_to_rounding(expected, found) is same, (channel, error)


def test_tapped_layers_are_compared_and_not_only_the_logits() -> None:
    class Hidden(Tiny):
        """The tapped layer reads the weights; the logits do not depend on it."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.aside(nn.functional.conv2d(x, self.layer1[0].weight, padding=1))
            return super().forward(x)

    model = Hidden().eval()
    model.aside = nn.Identity()
    assert fast_copy(Runnable(copied(model)), [], IMAGES).folded == 2
    assert fast_copy(Runnable(copied(model)), ["aside"], IMAGES).folded == 0


def test_the_convolution_of_a_tapped_place_is_not_folded_and_places_are_compared() -> None:
    model = Tiny().eval()
    assert foldable_pairs(model, ["layer1.0#1"], IMAGES)[0] == [("layer2.0", "layer2.1")]
    reused = ReusedReLU().eval()
    fast = fast_copy(Runnable(copied(reused)), ["relu#1", "relu#2"], IMAGES)
    assert fast.folded == 2
    with torch.no_grad(), tap(fast.model, ["relu#2"]) as found:
        fast.model(IMAGES)
        torch.testing.assert_close(found["relu#2"], reused.layer2(reused.layer1(IMAGES)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("channels_last", [True, False])
def test_the_memory_format_is_the_one_asked_for_and_the_output_the_same(channels_last: bool) -> None:
    model = create_model("resnet20", "se", num_classes=10, width=4).eval()
    fast = fast_copy(Runnable(copied(model)), ["layer1"], IMAGES, channels_last=channels_last)
    assert fast.fast
    assert fast.channels_last is channels_last
    weight = fast.model.get_submodule("layer1.0.conv1").weight
    assert weight.is_contiguous(memory_format=torch.channels_last if channels_last else torch.contiguous_format)
    with torch.no_grad():
        torch.testing.assert_close(fast.model(IMAGES), model(IMAGES), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("device", "precision", "preferred"),
    [("cpu", "float32", True), ("cuda", "float32", False), ("cuda", "tf32", True), ("cuda:1", "bfloat16", True)],
)
def test_a_gpu_runs_channels_last_where_tensor_cores_do_the_work(device: str, precision: str, preferred: bool) -> None:
    assert prefers_channels_last(torch.device(device), precision) is preferred
