"""Convolutions whose gradient is differentiated fast, against torch's own."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from autola_analysis.attention.convolution import Geometry, convolve, differentiated_twice, separable

SHAPES = {
    "depthwise": (6, 1, 3, Geometry((1, 1), (1, 1), 6)),
    "dilated": (6, 1, 3, Geometry((2, 2), (2, 2), 6)),
    "two maps to one per edge": (3, 2, 7, Geometry((3, 3), (1, 1), 3)),
    "one by one": (6, 2, 1, Geometry((0, 0), (1, 1), 3)),
}


def problem(name: str) -> tuple[Tensor, Tensor, Geometry]:
    outputs, inputs, side, geometry = SHAPES[name]
    generator = torch.Generator().manual_seed(0)

    def drawn(*size: int) -> Tensor:
        return torch.randn(*size, dtype=torch.float64, generator=generator).requires_grad_()

    return drawn(2, geometry.groups * inputs, 5, 6), drawn(outputs, inputs, side, side), geometry


def second(out: Tensor, x: Tensor, weight: Tensor, asked: list[Tensor]) -> tuple[Tensor, ...]:
    """Derivatives of a function of both gradients, which depends on x, on the weight and on the output's gradient."""
    of_x, of_weight = torch.autograd.grad((out**3).sum(), (x, weight), create_graph=True)
    return torch.autograd.grad((of_x**2).sum() + (of_weight**2).sum(), asked, materialize_grads=True)


@pytest.mark.parametrize("name", SHAPES)
def test_first_and_second_derivatives_are_those_of_torch(name: str) -> None:
    x, weight, geometry = problem(name)
    expected = F.conv2d(x, weight, None, 1, *geometry)
    with differentiated_twice():
        found = convolve(x, weight, geometry)
    torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-13 * float(expected.detach().abs().max()))
    for one, other in zip(second(found, x, weight, [x, weight]), second(expected, x, weight, [x, weight]), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12 * float(other.detach().abs().max()))


@pytest.mark.parametrize("name", [name for name in SHAPES if name != "one by one"])  # that is a product of matrices
def test_gradients_of_weights_that_nobody_asks_for_are_left_out_and_change_no_other(name: str) -> None:
    x, weight, geometry = problem(name)
    expected, everything = second(F.conv2d(x, weight, None, 1, *geometry), x, weight, [x, weight])
    with differentiated_twice() as asked:
        out = convolve(x, weight, geometry)
    of_x, of_weight = torch.autograd.grad((out**3).sum(), (x, weight), create_graph=True)
    asked.weights = False
    found, dropped = torch.autograd.grad((of_x**2).sum() + (of_weight**2).sum(), (x, weight), materialize_grads=True)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12 * float(expected.detach().abs().max()))
    assert not torch.allclose(dropped, everything)


@pytest.mark.parametrize("name", SHAPES)
def test_gradients_outside_are_those_of_torch(name: str) -> None:
    x, weight, geometry = problem(name)
    expected, found = F.conv2d(x, weight, None, 1, *geometry), convolve(x, weight, geometry)
    torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-13 * float(expected.detach().abs().max()))
    wanted = torch.autograd.grad((expected**3).sum(), (x, weight))
    for one, other in zip(torch.autograd.grad((found**3).sum(), (x, weight)), wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12 * float(other.detach().abs().max()))


def derivatives(out: Tensor, asked: list[Tensor]) -> list[Tensor]:
    """The first by the tensors, and the second of a function of them."""
    first = torch.autograd.grad((out**3).sum(), asked, create_graph=True)
    second = torch.autograd.grad(sum(((each**2).sum() for each in first), torch.zeros(())), asked)
    return [*first, *second]


@pytest.mark.parametrize("name", ["depthwise", "dilated"])
@pytest.mark.parametrize("needed", [(0, 1, 2), (0,), (1, 2)])
def test_two_convolutions_in_a_row_are_those_of_torch_and_keep_nothing_between(
    name: str, needed: tuple[int, ...]
) -> None:
    x, depthwise, geometry = problem(name)
    pointwise = torch.randn(4, 3, 1, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    tensors = [each.detach().requires_grad_(place in needed) for place, each in enumerate((x, depthwise, pointwise))]
    asked = [tensors[place] for place in needed]
    expected = F.conv2d(F.conv2d(tensors[0], tensors[1], None, 1, *geometry), tensors[2], groups=2)
    kept: list[Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda each: kept.append(each) or each, lambda each: each):
        found = separable(*tensors, geometry, 2)
    assert {each.data_ptr() for each in kept} == {each.data_ptr() for each in tensors}
    with differentiated_twice():
        again = separable(*tensors, geometry, 2)
    wanted = derivatives(expected, asked)
    for out in (found, again):
        torch.testing.assert_close(out, expected, rtol=1e-13, atol=1e-13 * float(expected.detach().abs().max()))
        for one, other in zip(derivatives(out, asked), wanted, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12 * float(other.detach().abs().max()))


def made_by(out: Tensor) -> str:
    assert out.grad_fn is not None
    return out.grad_fn.name()


def test_outside_the_graph_is_that_of_torch() -> None:
    x, weight, geometry = problem("depthwise")
    with differentiated_twice():
        assert made_by(convolve(x, weight, geometry)) != "ConvolutionBackward0"
    assert made_by(convolve(x, weight, geometry)) == "ConvolutionBackward0"
    with pytest.raises(KeyError), differentiated_twice():
        raise KeyError
    assert made_by(convolve(x, weight, geometry)) == "ConvolutionBackward0"
