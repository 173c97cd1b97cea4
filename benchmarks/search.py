"""A step of the search: operations batched over edges against edge by edge, and the second orders.

python -m benchmarks.search               ResNet-20, batch 64, two threads, contenders in processes of their own
python -m benchmarks.search --runs 1      fewer runs
python -m benchmarks.search --planted     six seeds of the searches whose answer is known
python -m benchmarks.search --differences how good finite differences are, by their radius
"""

from __future__ import annotations

import argparse
from statistics import median

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autola_analysis.attention.mixture import HogaSearch
from autola_analysis.search.bilevel import UnrolledStep, architecture_gradient
from autola_analysis.search.supernet import ALPHA, SuperNetwork, frozen_statistics
from benchmarks.harness import interleave, report_run
from tests.search.helpers import TwoModules, batch, relative
from tests.search.naive import EdgeByEdge
from tests.search.planted import planted_operation, planted_wiring

MODULE = "benchmarks.search"
CONTENDERS = {
    "reference": "edge by edge; the architecture step computes all gradients, as the authors' does",
    "order 1": "waves, first order",
    "look-ahead": "waves, second order without its implicit term",
    "differences": "waves, second order by finite differences",
    "exact": "waves, second order by differentiating twice",
}
TARGETS = {
    "order 1": "at least 1.8 times the reference, memory at most 0.75 of it",
    "exact": "at most 3 times order 1 in time and memory",
}
RATE, CLIP = 0.025, 5.0


class Steps:
    """Alternate steps of one super-network on fixed batches."""

    def __init__(self, contender: str, batch_size: int, backbone: str, side: int) -> None:
        torch.manual_seed(0)
        self.contender = contender
        self.network = SuperNetwork(backbone, 10).train()
        if contender == "reference":
            edge_by_edge(self.network.network)
        self.batches = [(torch.randn(batch_size, 3, side, side), torch.randint(10, (batch_size,))) for _ in range(2)]
        self.descent = torch.optim.SGD(self.network.weights().values(), RATE, momentum=0.9, weight_decay=5e-4)
        self.ascent = torch.optim.Adam([self.network.architecture.alpha], 3e-3, betas=(0.5, 0.999), weight_decay=1e-3)

    def __call__(self) -> None:
        """Take a step of alpha, then one of the weights."""
        train, held_out = self.batches
        alpha, weights = self.network.architecture.alpha, self.network.weights()
        if self.contender == "reference":
            F.cross_entropy(self.network(held_out[0]), held_out[1]).backward()
        else:
            order = 1 if self.contender == "order 1" else 2
            hessian = {"look-ahead": "none", "differences": "differences"}.get(self.contender, "exact")
            with frozen_statistics(self.network):
                step = UnrolledStep(RATE, 0.9, 5e-4)
                alpha.grad = architecture_gradient(
                    self.loss_of, weights, alpha, train, held_out, step, order, hessian
                ).value
        self.ascent.step()
        self.descent.zero_grad()
        loss = F.cross_entropy(self.network(train[0]), train[1])
        if self.contender == "reference":
            loss.backward()
        else:
            for weight, gradient in zip(
                weights.values(), torch.autograd.grad(loss, list(weights.values())), strict=True
            ):
                weight.grad = gradient
        nn.utils.clip_grad_norm_(weights.values(), CLIP)
        self.descent.step()
        self.descent.zero_grad()
        self.ascent.zero_grad()

    def loss_of(self, weights: dict[str, Tensor], alpha: Tensor, of: tuple[Tensor, Tensor]) -> Tensor:
        """Return the mean cross-entropy of a batch as a function of weights and alpha."""
        return F.cross_entropy(torch.func.functional_call(self.network, {**weights, ALPHA: alpha}, (of[0],)), of[1])


def edge_by_edge(network: nn.Module) -> None:
    """Put the definition, edge by edge, in the place of every mixed module of a network."""
    for block in [each for each in network.modules() if isinstance(getattr(each, "attention", None), HogaSearch)]:
        block.attention = EdgeByEdge(block.attention, affine=False)


def print_planted(seeds: int = 6) -> None:
    """Print what is found of planted wirings and operations."""
    print("| seed | edges of the planted wiring | weight of the planted operation, order 1 | order 2 |")
    print("|---|---|---|---|")
    for seed in range(seeds):
        planted, found = planted_wiring(seed)
        weights = [planted_operation(seed, order)[0] for order in (1, 2)]
        print(f"| {seed} | {planted.agreement(found)} of 10 | {weights[0]:.3f} | {weights[1]:.3f} |", flush=True)


def print_differences() -> None:
    """Print how far finite differences are from the implicit term, by their radius."""
    model, train, held_out = TwoModules(), batch(1, 24), batch(2, 24)
    arguments = (model.loss_of, model.weights(), model.architecture.alpha, train, held_out, UnrolledStep(RATE), 2)
    exact = architecture_gradient(*arguments)
    print("| radius | relative error of the implicit term | cosine | error of the gradient |")
    print("|---|---|---|---|")
    for radius in (0.1, 0.01, 1e-3, 1e-4, 1e-6):
        found = architecture_gradient(*arguments, "differences", radius)
        cosine = float(F.cosine_similarity(found.implicit.flatten(), exact.implicit.flatten(), dim=0))
        errors = relative(found.implicit, exact.implicit), relative(found.value, exact.value)
        print(f"| {radius:g} | {errors[0]:.2g} | {cosine:.2f} | {errors[1]:.2g} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", choices=CONTENDERS, help="time one contender in this process")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--backbone", default="resnet20")
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--planted", action="store_true")
    parser.add_argument("--differences", action="store_true")
    asked = parser.parse_args()
    if asked.planted:
        print_planted()
    elif asked.differences:
        print_differences()
    elif asked.run:
        torch.set_num_threads(2)
        report_run(Steps(asked.run, asked.batch_size, asked.backbone, asked.side))
    else:
        size = ["--batch-size", str(asked.batch_size), "--backbone", asked.backbone, "--side", str(asked.side)]
        found = interleave({name: [MODULE, "--run", name, *size] for name in CONTENDERS}, asked.runs)
        first = found["order 1"]
        print("| contender | seconds a step | times order 1 | peak MiB | target |")
        print("|---|---|---|---|---|")
        for name, measured in found.items():
            ratio = median(measured.seconds) / median(first.seconds)
            print(
                f"| {name}: {CONTENDERS[name]} | {median(measured.seconds):.2f} | {ratio:.2f} | "
                f"{median(measured.peak_mib):.0f} | {TARGETS.get(name, '')} |"
            )


if __name__ == "__main__":
    main()
