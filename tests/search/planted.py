"""Searches whose right answer is known: a planted wiring, and a planted operation with weights to learn."""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autola_analysis.attention import Genotype, HogaSearch, SqueezeExcitation
from autola_analysis.search.architecture import Architecture
from autola_analysis.search.bilevel import UnrolledStep, architecture_gradient
from autola_analysis.search.derivation import strongest
from tests.search.naive import one_hot


def planted_wiring(seed: int, steps: int = 400) -> tuple[Genotype, Genotype]:
    """Learn alpha alone from the nodes of a module whose wiring is known; return the planted and the found wiring."""
    torch.manual_seed(seed)
    planted = Genotype.random(seed)
    teacher = HogaSearch(8, one_hot(planted))
    architecture = Architecture(seed)
    student = HogaSearch(8, architecture.mixture)
    student.load_state_dict(teacher.state_dict())
    groups = torch.randn(16, 8, 8, 8).unflatten(1, (4, 2))
    with torch.no_grad():
        wanted = teacher.nodes(groups)
    optimizer = torch.optim.Adam([architecture.alpha], 0.1)
    for _ in range(steps):
        loss = sum(((one - other) ** 2).mean() for one, other in zip(student.nodes(groups), wanted, strict=True))
        (architecture.alpha.grad,) = torch.autograd.grad(loss, architecture.alpha)
        optimizer.step()
    return planted, strongest(architecture.mixture().detach().numpy())


class Choice(nn.Module):
    """One edge that mixes nothing, the input and a squeeze-and-excitation with one hidden unit; then a linear head."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = SqueezeExcitation(4, reduction=4)
        self.head = nn.Linear(4, 1)

    def forward(self, x: Tensor, alpha: Tensor) -> Tensor:
        _, skip, gated = alpha.softmax(0)
        return self.head((skip * x + gated * self.gate(x)).mean((2, 3)))[:, 0]


def planted_operation(seed: int, order: int, steps: int = 400) -> tuple[float, float]:
    """Learn weights and alpha where only the gate helps; return its weight and the loss on new images at the end.

    The label is the sign of a product, which no linear function of the channels' means has.
    """
    torch.manual_seed(seed)
    model = Choice()
    alpha = nn.Parameter(1e-3 * torch.randn(3))
    weights = dict(model.named_parameters())
    descent = torch.optim.SGD(weights.values(), 0.2, momentum=0.9)
    ascent = torch.optim.Adam([alpha], 0.02, betas=(0.5, 0.999))

    def loss_of(at: Mapping[str, Tensor], mixed: Tensor, batch: Any) -> Tensor:
        x, labels = batch
        return F.binary_cross_entropy_with_logits(torch.func.functional_call(model, dict(at), (x, mixed)), labels)

    for _ in range(steps):
        train, held_out = drawn(), drawn()
        step = UnrolledStep(0.2, 0.9, buffers=momentum_of(descent, weights))
        gradient = architecture_gradient(loss_of, weights, alpha, train, held_out, step, order)
        alpha.grad = gradient.value
        ascent.step()
        descent.zero_grad()
        loss_of(weights, alpha.detach(), train).backward()
        descent.step()
    with torch.no_grad():
        return float(alpha.softmax(0)[2]), float(loss_of(weights, alpha, drawn(4096)))


def momentum_of(optimizer: torch.optim.Optimizer, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    states = {name: optimizer.state.get(weight, {}) for name, weight in weights.items()}
    return {name: state["momentum_buffer"] for name, state in states.items() if "momentum_buffer" in state}


def drawn(images: int = 64) -> tuple[Tensor, Tensor]:
    u, v = (torch.randint(2, (2, images)) * 2 - 1).float()
    channels = torch.stack((u, v, u, torch.zeros_like(u)), 1) + 0.3 * torch.randn(images, 4)
    return channels[:, :, None, None].expand(-1, -1, 4, 4), (u * v > 0).float()
