"""The gradient of the architecture against autograd through the step, against differences and in closed form."""

from collections.abc import Mapping
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autola_analysis.core.errors import OptionError
from autola_analysis.search.bilevel import UnrolledStep, architecture_gradient
from autola_analysis.search.supernet import ALPHA, SuperNetwork, frozen_statistics
from tests.search.helpers import TwoModules, batch, relative
from tests.search.planted import momentum_of, planted_operation

TRAIN, HELD_OUT = batch(1), batch(2)


def a_step(weights: Mapping[str, Tensor], rate: float = 0.1) -> UnrolledStep:
    generator = torch.Generator().manual_seed(3)
    buffers = {
        name: 0.1 * torch.randn(each.shape, dtype=each.dtype, generator=generator) for name, each in weights.items()
    }
    return UnrolledStep(rate, 0.9, 5e-4, buffers)


def through_the_step(model: TwoModules, step: UnrolledStep, alpha: Tensor) -> Tensor:
    """The held-out loss behind the step, a differentiable function of alpha."""
    weights = {name: each.detach().requires_grad_() for name, each in model.weights().items()}
    gradients = torch.autograd.grad(model.loss_of(weights, alpha, TRAIN), list(weights.values()), create_graph=True)
    moved = {
        name: weight - step.rate * (step.momentum * step.buffers[name] + gradient + step.decay * weight)
        for (name, weight), gradient in zip(weights.items(), gradients, strict=True)
    }
    return model.loss_of(moved, alpha, HELD_OUT)


def test_exact_second_order_is_the_derivative_through_the_step() -> None:
    model = TwoModules()
    step = a_step(model.weights())
    alpha = model.architecture.alpha.detach().requires_grad_()
    loss = through_the_step(model, step, alpha)
    (expected,) = torch.autograd.grad(loss, alpha)
    found = architecture_gradient(model.loss_of, model.weights(), alpha, TRAIN, HELD_OUT, step, 2)
    assert relative(found.value, expected) < 1e-12
    assert relative(found.loss, loss.detach()) < 1e-12
    assert found.look_ahead is not None
    assert found.implicit is not None
    assert found.implicit.norm() > 1e-4 * found.value.norm()
    assert float(found.value.sum(1).abs().max()) < 1e-12 * float(found.value.abs().max())  # softmax: rows sum to zero


def test_exact_second_order_agrees_with_a_difference_of_the_loss_behind_the_step() -> None:
    """Four points around alpha: an error of the fourth order in their distance."""
    model = TwoModules()
    step = a_step(model.weights())
    alpha = model.architecture.alpha.detach()
    direction = torch.randn(alpha.shape, dtype=alpha.dtype, generator=torch.Generator().manual_seed(4))
    direction /= direction.norm()
    losses = {
        h: float(through_the_step(model, step, (alpha + h * 1e-5 * direction).requires_grad_()).detach())
        for h in (-1, 1)
    }
    expected = (losses[1] - losses[-1]) / 2e-5
    found = architecture_gradient(model.loss_of, model.weights(), alpha, TRAIN, HELD_OUT, step, 2)
    assert abs(float((found.value * direction).sum()) - expected) < 1e-8 * float(found.value.norm())


def test_first_order_is_the_gradient_at_the_weights_as_they_are() -> None:
    model = TwoModules()
    alpha = model.architecture.alpha
    (expected,) = torch.autograd.grad(model.loss_of(model.weights(), alpha, HELD_OUT), alpha)
    found = architecture_gradient(model.loss_of, model.weights(), alpha, None, HELD_OUT, UnrolledStep(0.1))
    assert torch.equal(found.value, expected)
    assert found.look_ahead is found.implicit is None


@pytest.mark.parametrize("hessian", ["exact", "differences", "none"])
def test_second_order_is_first_order_where_the_step_has_no_length(hessian: str) -> None:
    model = TwoModules()
    arguments = (model.loss_of, model.weights(), model.architecture.alpha, TRAIN, HELD_OUT)
    first = architecture_gradient(*arguments, UnrolledStep(0.1), 1)
    second = architecture_gradient(*arguments, a_step(model.weights(), rate=0.0), 2, hessian)
    assert relative(second.value, first.value) < 1e-12


class Smooth(nn.Module):
    """Softplus instead of ReLU, means instead of maxima; batch norms stay."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Softplus())
        self.gates = nn.ModuleList(nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8)) for _ in range(3))
        self.head = nn.Sequential(
            nn.BatchNorm2d(8), nn.Softplus(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3)
        )

    def forward(self, images: Tensor, alpha: Tensor) -> Tensor:
        x = self.stem(images)
        mixed = sum(weight * x * gate(x).sigmoid() for weight, gate in zip(alpha.softmax(0), self.gates, strict=True))
        return self.head(mixed)


def test_differences_come_nearer_by_the_square_of_the_radius_where_there_are_no_kinks() -> None:
    torch.manual_seed(0)
    model = Smooth().double().train()
    alpha = torch.tensor([0.3, -0.2, 0.5], dtype=torch.float64)

    def loss_of(weights: Mapping[str, Tensor], mixed: Tensor, of: Any) -> Tensor:
        return F.cross_entropy(torch.func.functional_call(model, dict(weights), (of[0], mixed)), of[1])

    weights = dict(model.named_parameters())
    arguments = (loss_of, weights, alpha, TRAIN, HELD_OUT, a_step(weights), 2)
    exact = architecture_gradient(*arguments)
    errors = [
        relative(architecture_gradient(*arguments, "differences", radius).implicit, exact.implicit)
        for radius in (0.1, 0.01, 0.001)
    ]
    assert errors[1] < 1e-3
    assert 80 < errors[0] / errors[1] < 120
    assert 80 < errors[1] / errors[2] < 120


@pytest.mark.parametrize("radius", [1e-3, 0.01, 1.0])
def test_differences_are_exact_on_quadratic_losses(radius: float) -> None:
    generator = torch.Generator().manual_seed(0)
    a, b, c = torch.randn(3, 4, 4, dtype=torch.float64, generator=generator)

    def loss_of(weights: Mapping[str, Tensor], alpha: Tensor, which: Any) -> Tensor:
        w = weights["w"]
        return w @ a @ w + w @ b @ alpha + alpha @ c @ alpha if which == "train" else (w * alpha).sum() + w @ c @ w

    w, alpha = torch.randn(2, 4, dtype=torch.float64, generator=generator)
    arguments = (loss_of, {"w": w}, alpha, "train", "held out", UnrolledStep(0.3), 2)
    exact = architecture_gradient(*arguments)
    found = architecture_gradient(*arguments, "differences", radius)
    assert relative(found.implicit, exact.implicit) < 1e-10


def test_differences_are_nothing_where_the_held_out_loss_does_not_read_the_weights() -> None:
    def loss_of(weights: Mapping[str, Tensor], alpha: Tensor, which: Any) -> Tensor:
        return (weights["w"] * alpha).sum() if which == "train" else (alpha**2).sum() + 0 * weights["w"].sum()

    w, alpha = torch.ones(2), torch.ones(2)
    for hessian in ("differences", "exact"):
        found = architecture_gradient(loss_of, {"w": w}, alpha, "train", "", UnrolledStep(0.3), 2, hessian)
        assert torch.equal(found.value, torch.tensor([2.0, 2.0]))


@pytest.mark.parametrize(
    ("order", "hessian", "rate", "expected"),
    [
        (1, "exact", 0.5, 2),
        (2, "exact", 0.0, 2),
        (2, "exact", 0.1, 5 / 3),
        (2, "exact", 0.25, 4 / 3),
        (2, "exact", 0.5, 1),
        (2, "differences", 0.25, 4 / 3),
        (2, "none", 0.5, 2),
    ],
)
def test_the_alternation_ends_where_it_should_in_closed_form(
    order: int, hessian: str, rate: float, expected: float
) -> None:
    """L_T = (w - a)^2, L_V = a w - 2 a + 1: alternation ends at a = w = 2 / (1 + 2 rate), the true optimum at 0.5."""

    def loss_of(weights: Mapping[str, Tensor], a: Tensor, which: Any) -> Tensor:
        w = weights["w"]
        return (w - a) ** 2 if which == "train" else a * w - 2 * a + 1

    a, w = torch.tensor(2.0, dtype=torch.float64), torch.tensor(-2.0, dtype=torch.float64)
    for _ in range(1500):
        found = architecture_gradient(loss_of, {"w": w}, a, "train", "", UnrolledStep(rate), order, hessian)
        a = a - 0.02 * found.value
        w = w - 0.1 * 2 * (w - a)
    assert abs(float(a) - expected) < 1e-6
    assert abs(float(w) - expected) < 1e-6


@pytest.mark.parametrize("steps", [0, 2])
def test_the_unrolled_step_is_the_one_that_torch_takes(steps: int) -> None:
    """At the first step there are no momentum buffers."""
    model = TwoModules()
    weights = model.weights()
    optimizer = torch.optim.SGD(weights.values(), 0.1, momentum=0.9, weight_decay=5e-4)
    alpha = model.architecture.alpha.detach()
    for _ in range(steps + 1):
        optimizer.zero_grad()
        model.loss_of(weights, alpha, TRAIN).backward()
        unrolled = UnrolledStep(0.1, 0.9, 5e-4, momentum_of(optimizer, weights))
        gradients = {name: each.grad.clone() for name, each in weights.items()}
        expected = unrolled({name: each.detach().clone() for name, each in weights.items()}, gradients)
        optimizer.step()
    for name, weight in weights.items():
        torch.testing.assert_close(weight.detach(), expected[name], rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("hessian", ["exact", "differences", "none"])
@pytest.mark.parametrize("fails", [False, True])
def test_an_architecture_step_leaves_everything_as_it_was(hessian: str, fails: bool) -> None:
    model = TwoModules()
    for each in model.parameters():
        each.grad = torch.randn_like(each)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    gradients = {name: each.grad.clone() for name, each in model.named_parameters()}
    random = torch.get_rng_state()
    calls = []

    def loss_of(weights: Mapping[str, Tensor], alpha: Tensor, of: Any) -> Tensor:
        calls.append(1)
        loss = model.loss_of(weights, alpha, of)
        if fails and len(calls) == 2:
            raise RuntimeError("out of memory")
        return loss

    def run() -> None:
        with frozen_statistics(model):
            step = a_step(model.weights())
            architecture_gradient(loss_of, model.weights(), model.architecture.alpha, TRAIN, HELD_OUT, step, 2, hessian)

    if fails:
        with pytest.raises(RuntimeError, match="out of memory"):
            run()
    else:
        run()
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(torch.equal(each.grad, gradients[name]) for name, each in model.named_parameters())
    assert all(each.requires_grad and each.is_leaf for each in model.parameters())
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    assert all(module.track_running_stats and module.training for module in norms)
    assert torch.equal(torch.get_rng_state(), random)


def test_frozen_statistics_keep_no_record_but_use_the_batch() -> None:
    model = TwoModules()
    expected = model(TRAIN[0])
    model.load_state_dict(TwoModules().state_dict())
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with frozen_statistics(model):
        assert torch.equal(model(TRAIN[0]), expected)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    model.network[1].eval()
    with frozen_statistics(model):
        model(TRAIN[0])
    assert model.network[1].track_running_stats


def test_alpha_is_one_parameter_and_no_two_names_share_memory() -> None:
    model = SuperNetwork("resnet8", 10, options={"width": 8})
    names = [name for name, _ in model.named_parameters(remove_duplicate=False)]
    assert names.count(ALPHA) == 1
    assert [name for name in model.state_dict() if "alpha" in name] == [ALPHA]
    assert set(model.weights()) == set(names) - {ALPHA}
    storages = [tensor.data_ptr() for tensor in model.state_dict().values() if tensor.numel()]
    assert len(set(storages)) == len(storages)


def test_all_modules_follow_the_one_architecture() -> None:
    model = SuperNetwork("resnet8", 10, options={"width": 8}).eval()
    images = torch.randn(2, 3, 16, 16)
    before = model(images)
    other = torch.randn(10, 9)
    given = torch.func.functional_call(model, {ALPHA: other}, (images,))
    assert not torch.allclose(given, before)
    with torch.no_grad():
        model.architecture.alpha.copy_(other)
    assert torch.equal(model(images), given)


def test_a_constant_added_to_a_row_of_alpha_changes_nothing() -> None:
    model = TwoModules().eval()
    expected = model(TRAIN[0])
    with torch.no_grad():
        model.architecture.alpha.add_(torch.randn(10, 1, dtype=torch.float64))
    torch.testing.assert_close(model(TRAIN[0]), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("order", [1, 2])
def test_the_operation_that_helps_is_chosen_while_weights_are_learned(order: int) -> None:
    weight, loss = planted_operation(0, order)
    assert weight > 0.9
    assert loss < 0.1


def test_an_unknown_order_or_hessian_is_refused() -> None:
    with pytest.raises(OptionError, match="order of a search is 1 or 2; found 3"):
        architecture_gradient(lambda w, a, b: a.sum(), {}, torch.ones(1), None, None, UnrolledStep(0.1), 3)
    with pytest.raises(OptionError, match="hessian is one of exact, differences, none; found 'finite'"):
        architecture_gradient(lambda w, a, b: a.sum(), {}, torch.ones(1), None, None, UnrolledStep(0.1), 2, "finite")
