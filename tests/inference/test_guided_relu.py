"""Guided backpropagation for every form in which a network writes its ReLUs."""

import copy
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autola_analysis.core.errors import LayerError
from autola_analysis.inference.gradients import gradients
from autola_analysis.inference.tasks import Classification
from tests.inference.networks import Tiny
from tests.inference.rectifiers import FORMS, HandWrittenReLU, Rectified

IMAGES = torch.randn(3, 3, 12, 12, generator=torch.Generator().manual_seed(0))


best = Classification().score()


def gradient_with(relu: Callable[[Tensor], Tensor], model: Rectified, targets: Tensor) -> Tensor:
    """Gradient at the images of the same network with another ReLU in place of its own."""
    reference = Rectified(relu).eval()
    reference.load_state_dict(model.state_dict())
    images = IMAGES.clone().requires_grad_()
    reference(images).gather(1, targets[:, None]).sum().backward()
    return images.grad


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_relu_is_guided_and_the_logits_are_those_of_a_plain_run(form: str) -> None:
    model = Rectified(FORMS[form]).eval()
    with torch.no_grad():
        plain = model(IMAGES.clone())
    found = gradients(model, IMAGES, best, image=True, guided=True)
    assert torch.equal(found.output, plain)
    assert found.relus >= 3
    assert found.ordinary == ()
    expected = gradient_with(HandWrittenReLU.apply, model, found.output.argmax(1))
    torch.testing.assert_close(found.guided, expected, rtol=1e-5, atol=1e-9)
    plain_expected = gradient_with(lambda x: F.relu(x.clone()), model, found.output.argmax(1))
    torch.testing.assert_close(found.image, plain_expected, rtol=1e-5, atol=1e-9)
    assert (expected - plain_expected).norm() > 0.1 * expected.norm()


@pytest.mark.parametrize("form", ["F.relu", "x.clamp(min=0)", "F.threshold"])
def test_at_an_input_of_zero_the_plain_gradient_is_torchs_and_the_guided_one_is_zero(form: str) -> None:
    class Identity(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return FORMS[form](x).flatten(1)

    images = torch.tensor([-1.0, 0.0, 2.0]).view(1, 1, 1, 3)
    found = [gradients(Identity(), images, lambda logits, c=c: logits[:, c], image=True, guided=True) for c in range(3)]
    assert sum(each.image for each in found).flatten().tolist() == [0, form == "x.clamp(min=0)", 1]
    assert sum(each.guided for each in found).flatten().tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("activation", "name"),
    [
        (nn.ReLU6(), "relu6"),
        (nn.LeakyReLU(), "leaky_relu"),
        (F.silu, "silu"),
        (F.gelu, "gelu"),
        (torch.sigmoid, "sigmoid"),
        (lambda x: x.clamp(0, 6), "clamp(0, 6)"),
        (lambda x: torch.maximum(x, torch.zeros(())), "maximum(x, 0)"),
    ],
)
def test_other_activations_stay_ordinary_and_are_named(activation: Callable[[Tensor], Tensor], name: str) -> None:
    class Mixed(Rectified):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(activation(x))

    model = Mixed(F.relu).eval()
    found = gradients(model, IMAGES, best, guided=True)
    assert found.ordinary == (name,)
    assert found.relus == 3
    images = IMAGES.clone().requires_grad_()
    inner = activation(images)
    reference = copy.deepcopy(model)
    reference.relu = HandWrittenReLU.apply
    Rectified.forward(reference, inner).gather(1, found.output.argmax(1)[:, None]).sum().backward()
    torch.testing.assert_close(found.guided, images.grad, rtol=1e-5, atol=1e-9)
    with pytest.raises(LayerError, match=rf"this network ran none; met instead: {name[:5]}"):
        gradients(Rectified(activation), IMAGES, best, guided=True)


def test_a_network_without_relu_is_refused() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(432, 4))
    with pytest.raises(LayerError, match="changes the gradient of ReLUs, and this network ran none"):
        gradients(model, IMAGES, best, guided=True)


def test_scripted_code_is_refused() -> None:
    model = nn.Sequential(torch.jit.script(Tiny().eval()), nn.Identity())
    with pytest.raises(LayerError, match="module '0' is scripted; give the network as it was before"):
        gradients(model, IMAGES, best, guided=True)
    assert gradients(model, IMAGES, best, image=True).image.shape == IMAGES.shape


def test_compiled_code_is_guided_as_the_code_before_it() -> None:
    plain = Tiny().eval()
    expected = gradients(plain, IMAGES, best, guided=True)
    for compiled in (torch.compile(plain, backend="eager"), nn.Sequential(torch.compile(plain, backend="eager"))):
        compiled(IMAGES)
        found = gradients(compiled, IMAGES, best, guided=True)
        assert found.relus == expected.relus
        torch.testing.assert_close(found.guided, expected.guided)


def test_relus_inside_gates_stay_ordinary_where_gates_are_not_guided() -> None:
    class Gated(Rectified):
        def __init__(self) -> None:
            super().__init__(F.relu)
            self.gate = nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU(inplace=True), nn.Conv2d(3, 3, 1), nn.Sigmoid())

        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x * self.gate(x))

    model = Gated().eval()
    everything = gradients(model, IMAGES, best, guided=True)
    ordinary = gradients(model, IMAGES, best, guided=True, guide_gates=False)
    assert (everything.relus, ordinary.relus) == (4, 3)
    assert ordinary.ordinary == ("relu (in a gate)", "sigmoid")
    reference = copy.deepcopy(model)
    reference.relu = HandWrittenReLU.apply
    images = IMAGES.clone().requires_grad_()
    reference(images).gather(1, ordinary.output.argmax(1)[:, None]).sum().backward()
    torch.testing.assert_close(ordinary.guided, images.grad, rtol=1e-5, atol=1e-9)
    assert not torch.allclose(everything.guided, ordinary.guided)


def test_no_mode_is_left_behind_after_an_exception() -> None:
    def fails(x: Tensor) -> Tensor:
        raise RuntimeError("broken on purpose")

    with pytest.raises(RuntimeError, match="broken on purpose"):
        gradients(Rectified(fails), IMAGES, best, guided=True)
    x = torch.randn(3, requires_grad=True)
    assert F.relu(x).grad_fn.name() == "ReluBackward0"
