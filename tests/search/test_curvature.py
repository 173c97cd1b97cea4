"""The curvature of the loss in alpha, against the whole Hessian, and the rule that reads it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autola_analysis.attention import HogaSearch
from autola_analysis.attention.convolution import differentiated_twice
from autola_analysis.search.architecture import Architecture
from autola_analysis.search.curvature import curvature, hessian_product, sharpened

DECAY = 0.01


def problem(seed: int = 0) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """alpha and the loss of one mixed module and a head, in float64 and train mode."""
    torch.manual_seed(seed)
    architecture = Architecture(seed)
    network = nn.Sequential(HogaSearch(4, architecture.mixture), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    network.double().train()
    images, labels = torch.randn(3, 4, 6, 6, dtype=torch.float64), torch.tensor([0, 1, 2])

    def loss(at: Tensor) -> Tensor:
        with patched(architecture, at):
            return F.cross_entropy(network(images), labels)

    return torch.randn(10, 9, dtype=torch.float64), loss


@contextmanager
def patched(architecture: Architecture, alpha: Tensor) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(architecture, "alpha")
        patch.setattr(architecture, "alpha", alpha, raising=False)
        yield


def whole_hessian(loss: Callable[[Tensor], Tensor], alpha: Tensor) -> Tensor:
    with differentiated_twice():
        return torch.autograd.functional.hessian(loss, alpha).reshape(90, 90)


def test_the_largest_eigenvalue_is_that_of_the_whole_hessian() -> None:
    alpha, loss = problem()
    eigenvalues = torch.linalg.eigvalsh(whole_hessian(loss, alpha) + DECAY * torch.eye(90, dtype=alpha.dtype))
    assert curvature([loss], alpha, DECAY) == pytest.approx(float(eigenvalues[-1]), rel=1e-3)
    assert int(((eigenvalues - DECAY).abs() < 1e-12).sum()) == 10  # a constant in a row changes nothing
    assert float(eigenvalues[-1]) > 1.1 * DECAY


def test_losses_are_averaged_and_the_decay_is_added() -> None:
    alpha = torch.zeros(10, 9, dtype=torch.float64)
    first, second = (torch.linspace(0, top, 90, dtype=torch.float64).reshape(10, 9) for top in (4, 2))
    losses = [lambda at: (first * at**2).sum(), lambda at: (second.flip(0, 1) * at**2).sum()]
    expected = float((first + second.flip(0, 1)).max())
    assert curvature(losses, alpha, DECAY) == pytest.approx(expected + DECAY, rel=1e-3)
    assert not alpha.requires_grad


def test_a_product_with_the_hessian_is_that_of_torch() -> None:
    alpha, loss = problem()
    direction = torch.randn(alpha.shape, dtype=alpha.dtype, generator=torch.Generator().manual_seed(0))
    _, expected = torch.autograd.functional.vhp(loss, alpha, direction)
    found = hessian_product(loss, alpha, direction)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10 * float(expected.abs().max()))
    assert float(hessian_product(loss, alpha, torch.ones_like(alpha)).abs().max()) < 1e-14


def naive_sharpened(epochs: list[int], eigenvalues: list[float]) -> tuple[int, int] | None:
    for last in range(8, len(epochs)):
        now, before = np.mean(eigenvalues[last - 4 : last + 1]), np.mean(eigenvalues[last - 8 : last - 3])
        if epochs[last] >= 10 and now > 1.3 * before:
            return epochs[last], epochs[last - 4]
    return None


def test_the_rule_compares_means_of_five_measurements_four_apart() -> None:
    assert sharpened([], []) is None
    assert sharpened(list(range(1, 9)), [1.0] * 4 + [9.0] * 4) is None  # eight measurements hold no two means
    steps = list(range(2, 42, 2))
    assert sharpened(steps, [1.0] * 20) is None
    assert sharpened(steps, [1.0] * 10 + [3.0] * 10) == (22, 14)  # one of five at 3: a mean of 1.4
    assert sharpened(list(range(1, 12)), [1.0] * 5 + [9.0] * 6) == (10, 6)  # not before epoch 10
    generator = np.random.default_rng(0)
    fired = 0
    for _ in range(50):
        values = generator.uniform(0.5, 2, 20).tolist()
        assert sharpened(steps, values) == naive_sharpened(steps, values)
        fired += naive_sharpened(steps, values) is not None
    assert 5 < fired < 50
