"""Batch norm in evaluation mode under guided backpropagation: torch's values, torch's gradient, no input kept."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from autola_analysis.inference.guided_relu import GuidedReLU

MEAN, VARIANCE, WEIGHT, BIAS = torch.randn(4, 5, generator=torch.Generator().manual_seed(0)).abs() + 0.1


def values(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1)).requires_grad_()


@pytest.mark.parametrize("shape", [(3, 5), (3, 5, 4), (3, 5, 4, 6)])
@pytest.mark.parametrize(
    "arguments",
    [
        {"weight": WEIGHT, "bias": BIAS, "eps": 1e-3},
        {"weight": WEIGHT.mul(-1), "training": False},
        {},
    ],
)
def test_values_and_gradients_are_torchs(shape: tuple[int, ...], arguments: dict[str, Any]) -> None:
    x, cotangent = values(*shape), torch.randn(shape, generator=torch.Generator().manual_seed(2))
    expected = F.batch_norm(x, MEAN, VARIANCE, **arguments)
    with GuidedReLU():
        found = F.batch_norm(x, MEAN, VARIANCE, **arguments)
    assert torch.equal(found, expected)
    assert found.grad_fn is not None
    assert found.grad_fn.name() == "EvaluationNormBackward"
    torch.testing.assert_close(
        *(torch.autograd.grad(each, x, cotangent)[0] for each in (found, expected)), rtol=1e-6, atol=1e-7
    )


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_the_memory_format_stays(memory_format: torch.memory_format) -> None:
    x = values(2, 5, 4, 4).detach().contiguous(memory_format=memory_format).requires_grad_()
    with GuidedReLU():
        found = F.batch_norm(x, MEAN, VARIANCE)
    assert found.is_contiguous(memory_format=memory_format)
    (gradient,) = torch.autograd.grad(found, x, torch.ones_like(found))
    assert gradient.is_contiguous(memory_format=memory_format)


def test_the_input_is_not_kept() -> None:
    kept: list[int] = []
    with GuidedReLU(), torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()), lambda _: None):
        F.batch_norm(values(2, 5, 4, 4), MEAN, VARIANCE, WEIGHT, BIAS)
    assert kept == [5]


@pytest.mark.parametrize(
    "arguments",
    [
        {"running_mean": MEAN.clone(), "running_var": VARIANCE.clone(), "training": True},
        {"running_mean": None, "running_var": None, "training": True},
        {"running_mean": MEAN, "running_var": VARIANCE, "weight": WEIGHT.clone().requires_grad_()},
    ],
)
def test_other_batch_norms_keep_torchs_gradient(arguments: dict[str, Any]) -> None:
    with GuidedReLU():
        found = F.batch_norm(values(3, 5, 4, 4), **arguments)
    assert found.grad_fn is not None
    assert found.grad_fn.name() == "NativeBatchNormBackward0"
