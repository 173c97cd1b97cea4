"""The gradient of an architecture: at the weights as they are, or behind the step that they are about to take.

With weights w, architecture alpha, a training batch T and a held-out batch V, stochastic gradient descent steps to
``w' = w - eta (mu b + grad_w L_T(w, alpha) + lambda w)``, b being the momentum buffer. Second order differentiates
``L_V(w'(alpha), alpha)`` by alpha: ``d_alpha L_V(w', alpha) - eta d_alpha <grad_w L_T(w, alpha), v>`` with
``v = grad_w' L_V(w', alpha)`` held fixed. The first term is the look-ahead, the second the implicit term.

References:
    Liu, Simonyan and Yang, "DARTS: Differentiable Architecture Search", ICLR 2019.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from autola_analysis.attention.convolution import differentiated_twice
from autola_analysis.core.errors import OptionError

ORDERS = (1, 2)
HESSIANS = ("exact", "differences", "none")
"""How the implicit term is computed: by differentiating twice, by finite differences along v, or not at all."""
RADIUS = 0.01
"""Length of the step along v in finite differences, as in DARTS."""

Weights = Mapping[str, Tensor]
LossOf = Callable[[Weights, Tensor, Any], Tensor]
"""(weights, alpha, batch) -> scalar"""


@dataclass(frozen=True)
class UnrolledStep:
    """A step of stochastic gradient descent, as ``torch.optim.SGD`` takes it, without clipping.

    Attributes:
        rate: eta.
        momentum: mu.
        decay: lambda.
        buffers: b by the names of weights; zero for a weight that has none.
    """

    rate: float
    momentum: float = 0.0
    decay: float = 0.0
    buffers: Weights = field(default_factory=dict)

    def __call__(self, weights: Weights, gradients: Weights) -> dict[str, Tensor]:
        """Return the weights behind the step."""
        stepped = {}
        for name, weight in weights.items():
            change = gradients[name] + self.decay * weight
            if name in self.buffers:
                change = self.momentum * self.buffers[name] + change
            stepped[name] = weight - self.rate * change
        return stepped


@dataclass(frozen=True)
class ArchitectureGradient:
    """The gradient of alpha and its parts.

    Attributes:
        value: The gradient, of alpha's shape.
        loss: The held-out loss, a scalar.
        look_ahead: Second order's first term; None in first order.
        implicit: Its second term; None where it is left out.
    """

    value: Tensor
    loss: Tensor
    look_ahead: Tensor | None = None
    implicit: Tensor | None = None


def architecture_gradient(
    loss_of: LossOf,
    weights: Weights,
    alpha: Tensor,
    train: Any,
    held_out: Any,
    step: UnrolledStep,
    order: int = 1,
    hessian: str = "exact",
    radius: float = RADIUS,
) -> ArchitectureGradient:
    """Return the gradient of the held-out loss by alpha. Nothing that is given is changed.

    Args:
        loss_of: The mean loss of a batch, as a function of weights and alpha.
        weights: All that is learned beside alpha.
        alpha: The architecture.
        train: The batch of the weight step that follows; not read in first order.
        held_out: The batch that alpha is judged by.
        step: That weight step; not read in first order.
        order: 1 or 2.
        hessian: See `HESSIANS`; not read in first order.
        radius: See `RADIUS`.

    Raises:
        OptionError: If there is no such order or Hessian.
    """
    check_order(order, hessian)
    if order == 1:
        return _first_order(loss_of, weights, alpha, held_out)
    names = list(weights)
    at = _leaves(weights)
    mixed = alpha.detach().requires_grad_()
    exact = hessian == "exact"
    with differentiated_twice() as asked:
        train_loss = loss_of(at, mixed, train)
    gradients = torch.autograd.grad(train_loss, list(at.values()), create_graph=exact, materialize_grads=True)
    ahead = _leaves(step(_detached(at), {name: each.detach() for name, each in zip(names, gradients, strict=True)}))
    loss = loss_of(ahead, mixed, held_out)
    look_ahead, *direction = torch.autograd.grad(loss, [mixed, *ahead.values()], materialize_grads=True)
    if hessian == "none":
        return ArchitectureGradient(look_ahead, loss.detach(), look_ahead)
    if exact:
        asked.weights = False  # leaves: their gradients would be dropped
        (curved,) = torch.autograd.grad(gradients, mixed, direction, materialize_grads=True)
    else:
        curved = _differences(loss_of, _detached(at), mixed, train, dict(zip(names, direction, strict=True)), radius)
    implicit = -step.rate * curved
    return ArchitectureGradient(look_ahead + implicit, loss.detach(), look_ahead, implicit)


def check_order(order: int, hessian: str) -> None:
    """Refuse what is no order of the search, or no way to its implicit term.

    Raises:
        OptionError: If it is not known.
    """
    if order not in ORDERS:
        raise OptionError(f"the order of a search is 1 or 2; found {order}.")
    if hessian not in HESSIANS:
        raise OptionError(f"hessian is one of {', '.join(HESSIANS)}; found {hessian!r}.")


def _first_order(loss_of: LossOf, weights: Weights, alpha: Tensor, held_out: Any) -> ArchitectureGradient:
    mixed = alpha.detach().requires_grad_()
    loss = loss_of(_detached(weights), mixed, held_out)
    (value,) = torch.autograd.grad(loss, mixed)
    return ArchitectureGradient(value, loss.detach())


def _differences(
    loss_of: LossOf, weights: Weights, mixed: Tensor, train: Any, direction: Weights, radius: float
) -> Tensor:
    """Return the central difference of ``d_alpha L_T`` along a direction in the weights, times its length."""
    length = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(each) for each in direction.values()]))
    if not length:
        return torch.zeros_like(mixed)
    epsilon = radius / length
    sides = []
    for sign in (1, -1):
        moved = {name: weight + sign * epsilon * direction[name] for name, weight in weights.items()}
        sides.append(torch.autograd.grad(loss_of(moved, mixed, train), mixed, materialize_grads=True)[0])
    return (sides[0] - sides[1]) / (2 * epsilon)


def _detached(weights: Weights) -> dict[str, Tensor]:
    return {name: weight.detach() for name, weight in weights.items()}


def _leaves(weights: Weights) -> dict[str, Tensor]:
    return {name: weight.detach().requires_grad_() for name, weight in weights.items()}
