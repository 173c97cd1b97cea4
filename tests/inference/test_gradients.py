"""Gradients at layers and images: equal to autograd's, with the graph no longer than needed."""

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from autola_analysis.core.errors import LayerError, UnknownNameError
from autola_analysis.inference.gradients import gradients
from autola_analysis.inference.outputs import tensors_of
from autola_analysis.inference.tasks import Classification
from tests.inference.networks import Fails, InPlaceAfterwards, ReusedReLU, Tiny, expectation
from tests.inference.state import state_of
from tests.inference.test_tap import OnDict

IMAGES = torch.randn(3, 3, 12, 12, generator=torch.Generator().manual_seed(0))


best = Classification().score()


def test_activations_and_gradients_of_several_layers_are_those_of_autograd() -> None:
    model = Tiny().eval()
    first = model.layer1(IMAGES)
    second = model.layer2(first)
    logits = model.fc(second.mean((2, 3)))
    total = logits.amax(1).sum()
    expected = torch.autograd.grad(total, [first, second])
    found = gradients(model, IMAGES, best, ["layer2", "layer1"], image=True)
    assert list(found.layers) == ["layer2", "layer1"]
    torch.testing.assert_close(found.activations["layer1"], first.detach())
    torch.testing.assert_close(found.layers["layer1"], expected[0])
    torch.testing.assert_close(found.layers["layer2"], expected[1])
    torch.testing.assert_close(found.scores, logits.amax(1).detach())
    assert not any(t.requires_grad for t in (found.output, found.image, *found.layers.values()))


def test_the_trunk_before_the_earliest_layer_runs_without_a_graph() -> None:
    model = Tiny()
    seen: dict[str, bool] = {}
    for name in ("layer1", "layer2"):
        getattr(model, name)[0].register_forward_hook(lambda m, i, o, n=name: seen.__setitem__(n, o.requires_grad))
    gradients(model, IMAGES, best, ["layer1"])
    assert seen == {"layer1": False, "layer2": True}
    gradients(model, IMAGES, best, ["layer1"], guided=True)
    assert seen == {"layer1": True, "layer2": True}


def test_an_operation_in_place_may_follow_a_tapped_layer() -> None:
    found = gradients(InPlaceAfterwards(), IMAGES, best, ["layer1", "layer2"])
    assert found.activations["layer1"].abs().max() > 0
    assert (found.layers["layer1"] == 0).all()


def test_a_network_may_begin_in_place() -> None:
    class Standardises(Tiny):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x.sub_(0.5))

    images = IMAGES.clone()
    for options in ({}, {"image": True}, {"guided": True}):
        gradients(Standardises(), images, best, ["layer2"], **options)
        assert torch.equal(images, IMAGES)


@pytest.mark.parametrize("context", [nullcontext, torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("frozen", [False, True])
def test_callers_without_gradients_and_frozen_networks_get_the_same(context: type, frozen: bool) -> None:
    model = Tiny()
    expected = gradients(model, IMAGES, best, ["layer1"], image=True, guided=True)
    model.requires_grad_(not frozen)
    with context():
        before = state_of(model)
        found = gradients(model, IMAGES.clone(), best, ["layer1"], image=True, guided=True)
        assert state_of(model) == before
    assert torch.equal(found.layers["layer1"], expected.layers["layer1"])
    assert torch.equal(found.image, expected.image)
    assert torch.equal(found.guided, expected.guided)


def test_a_network_made_under_inference_mode_can_be_explained() -> None:
    with torch.inference_mode():
        model = Tiny()
        found = gradients(model, IMAGES.clone(), best, ["layer1"], guided=True)
    assert found.layers["layer1"].abs().max() > 0


@pytest.mark.parametrize("network", [Tiny, Fails, ReusedReLU])
def test_everything_of_the_callers_is_as_before(network: type[Tiny]) -> None:
    model = network().train()
    model.layer1[1].eval()
    model.fc.weight.requires_grad_(False)
    model.fc.bias.grad = torch.ones(10)
    model.dropout = nn.Dropout()
    images = IMAGES.clone()
    before = state_of(model)
    with expectation(network):
        gradients(model, images, best, ["layer1", "layer2"], image=True, guided=True)
    assert state_of(model) == before
    assert torch.equal(images, IMAGES)
    assert not images.requires_grad
    assert images.grad is None


def test_a_graph_of_the_callers_can_be_walked_back_afterwards() -> None:
    model = Tiny().eval()
    heard: list[int] = []
    model.fc.weight.register_hook(lambda gradient: heard.append(1))
    loss = model(IMAGES).sum()
    gradients(model, IMAGES, best, ["layer1"], image=True)
    assert heard == []
    loss.backward()
    assert heard == [1]
    assert model.fc.weight.grad is not None
    assert model.fc.weight.grad.abs().sum() > 0


def test_a_weight_that_is_part_of_a_graph_takes_no_gradient_either() -> None:
    made = torch.randn(5, 6, generator=torch.Generator().manual_seed(1), requires_grad=True)
    models = [Tiny().eval(), Tiny().eval()]
    models[1].load_state_dict(models[0].state_dict())
    for model in models:
        shape = model.fc.weight.shape
        del model.fc.weight
        model.fc.register_buffer("weight", made.new_ones(shape) * 0.1)
    models[1].fc.weight = models[1].fc.weight * made.mean() / made.mean().detach()
    weight = models[1].fc.weight
    expected, found = (gradients(model, IMAGES, best, ["layer1"]) for model in models)
    torch.testing.assert_close(found.layers["layer1"], expected.layers["layer1"])
    assert models[1].fc.weight is weight
    assert weight.requires_grad


def test_randomness_of_the_network_does_not_move_the_callers_random_state() -> None:
    class Noisy(Tiny):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x + torch.randn_like(x))

    model = Noisy()
    before = torch.get_rng_state()
    gradients(model, IMAGES, best, ["layer2"])
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("wanted", ["layer", "image"])
def test_from_where_the_graph_begins_the_networks_own_memory_format_decides(wanted: str) -> None:
    seen = []
    model = Tiny()
    model.layer2[0].register_forward_hook(lambda m, i, o: seen.append(i[0].is_contiguous()))
    layers, image = (["layer1"], False) if wanted == "layer" else ([], True)
    gradients(model, IMAGES.contiguous(memory_format=torch.channels_last), best, layers, image=image)
    model.to(memory_format=torch.channels_last)
    gradients(model, IMAGES, best, layers, image=image)
    assert seen == [True, False]


def test_what_runs_before_the_graph_runs_channels_last_on_a_cpu() -> None:
    seen = []
    model = Tiny()
    model.layer1[0].register_forward_hook(lambda m, i, o: seen.append(i[0].is_contiguous()))
    found = gradients(model, IMAGES, best, ["layer2"])
    assert seen == [False]
    assert found.activations["layer2"].is_contiguous()


def test_an_autocasting_caller_gets_float32() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert gradients(Tiny(), IMAGES, best, ["layer1"]).output.dtype == torch.float32


class Discards(Tiny):
    """Runs a layer and does not use it."""

    def forward(self, x: Tensor) -> Tensor:
        first = self.layer1(x)
        self.layer2(first)
        return self.fc(self.layer2[0](first).mean((2, 3)))


class Overwrites(Tiny):
    """Overwrites what its own backward pass needs."""

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.layer2(self.layer1(x)).exp().mul_(2).mean((2, 3)).sigmoid().zero_())


class Sequences(Tiny):
    """Puts out no logits."""

    def forward(self, x: Tensor) -> Tensor:
        return self.layer2(self.layer1(x))


@pytest.mark.parametrize(
    ("model", "layers", "message"),
    [
        (Discards(), ["layer2"], "score does not depend on layer 'layer2'"),
        (Overwrites(), ["layer1"], "overwrites in place a value that its own gradient needs"),
        (Sequences(), ["layer1"], r"logits \(B, classes\); this one puts out shape \(3, 8, 6, 6\)"),
        (ReusedReLU(), ["relu"], "'relu' runs more than once"),
    ],
)
def test_what_cannot_be_differentiated_is_one_sentence(model: nn.Module, layers: list[str], message: str) -> None:
    before = state_of(model)
    with pytest.raises(LayerError, match=message):
        gradients(model, IMAGES, best, layers)
    assert state_of(model) == before


def test_an_unknown_layer_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="no layer 'layer9'; the nearest: layer"):
        gradients(Tiny(), IMAGES, best, ["layer9"])


@pytest.mark.parametrize(("network", "places"), [(ReusedReLU, ["relu#2", "relu#1"]), (OnDict, ["encoder[high][1][0]"])])
def test_gradients_at_a_run_of_a_layer_or_an_entry_of_an_output_are_those_of_autograd(
    network: type[Tiny], places: list[str]
) -> None:
    torch.manual_seed(0)
    model = network().eval()
    parts = model.encoder if isinstance(model, OnDict) else model
    first = parts.layer1(IMAGES)
    second = parts.layer2(first)
    logits = model.fc(second.mean((2, 3)))
    expected = torch.autograd.grad(logits.amax(1).sum(), [second, first])
    before = state_of(model)
    found = gradients(model, IMAGES, best, places)
    assert state_of(model) == before
    torch.testing.assert_close(found.output, logits.detach())
    for place, activation, gradient in zip(places, (second, first), expected, strict=False):
        assert gradient.abs().max() > 0
        torch.testing.assert_close(found.activations[place], activation.detach())
        torch.testing.assert_close(found.layers[place], gradient)


def test_an_entry_that_nothing_reads_has_no_gradient() -> None:
    with pytest.raises(LayerError, match=r"score does not depend on layer 'encoder\[low\]'"):
        gradients(OnDict(), IMAGES, best, ["encoder[low]"])


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("relu#3", "there is no 'relu#3': layer 'relu' runs 2 times in a forward"),
        ("unused", "layer 'unused' does not run in a forward"),
    ],
)
def test_a_place_that_a_forward_does_not_reach_is_one_sentence(place: str, sentence: str) -> None:
    model = ReusedReLU()
    model.unused = nn.ReLU()
    before = state_of(model)
    with pytest.raises(LayerError, match=f"^{sentence}"):
        gradients(model, IMAGES, best, [place])
    assert state_of(model) == before


def test_a_score_may_be_read_from_any_output() -> None:
    class Heads(Tiny):
        def forward(self, x: Tensor) -> dict[str, Any]:
            logits = super().forward(x)
            return {"logits": logits, "extra": (logits[:, :1],)}

    model = Heads().eval()
    images = IMAGES.clone().requires_grad_()
    output = model(images)
    scores = output["logits"][:, 3] - output["extra"][0][:, 0]
    scores.sum().backward()
    found = gradients(
        model, IMAGES, lambda output: output["logits"][:, 3] - output["extra"][0][:, 0], ["layer1"], image=True
    )
    torch.testing.assert_close(found.image, images.grad)
    torch.testing.assert_close(found.scores, scores.detach())
    assert not any(tensor.requires_grad for tensor in tensors_of(found.output))
    assert torch.equal(found.output["extra"][0][:, 0], found.output["logits"][:, 0])


@pytest.mark.parametrize(
    ("score", "found"),
    [
        (lambda logits: logits, r"shape \(3, 10\)"),
        (lambda logits: logits.sum(), r"shape \(\)"),
        (lambda _: 1.0, "float"),
    ],
)
def test_a_score_that_is_not_one_number_per_image_is_refused(score: Any, found: str) -> None:
    with pytest.raises(LayerError, match=rf"one number per image, shape \(3,\); found {found}"):
        gradients(Tiny(), IMAGES, score, ["layer1"])
