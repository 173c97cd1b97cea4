"""HOGA ResNet-20 against a reference that evaluates its graph operation by operation.

python -m benchmarks.hoga            batch 256, five interleaved runs of each contender
python -m benchmarks.hoga --runs 3   fewer runs
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable, Iterable
from statistics import median

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autola_analysis.attention import HighOrderGroupAttention
from autola_analysis.backbones import create_model
from autola_analysis.inference.copies import Runnable, copied
from autola_analysis.inference.folding import fast_copy
from benchmarks.harness import interleave, ratios, report_run

MODULE = "benchmarks.hoga"
BATCH, BATCHES, SIDE = 256, 4, 32
STAGES = ["layer1", "layer2", "layer3"]
CONTENDERS = {
    "reference": "operation by operation, channels-first",
    "forward": "the network itself, channels-first",
    "fast copy": "folded, channels-last",
    "compiled": "folded, channels-last, torch.compile",
}
TARGETS = {"fast copy": "at least 1.25", "compiled": "at least 1.60"}


class Reference(nn.Module):
    """A HOGA module whose graph is evaluated as its definition reads, with the weights of `hoga`."""

    def __init__(self, hoga: HighOrderGroupAttention) -> None:
        super().__init__()
        self.hoga = hoga

    def forward(self, x: Tensor) -> Tensor:
        """Return ``SE_b(F([s1; s2; s3; s4; SE_a(x1 + x2 + x3 + x4)]) + x)``."""
        hoga = self.hoga
        x1, x2, x3, x4 = x.chunk(4, dim=1)
        ops = iter(zip(hoga.genotype.edges, hoga.ops, strict=True))
        states: list[Tensor] = []
        for count, group in enumerate((x1, x2, x3, x4), start=1):
            state = torch.zeros_like(group)
            for _ in range(count):
                (name, source), op = next(ops)
                state = state + operation(name, op, [group, *states][source])
            states.append(state)
        z = torch.cat((*states, squeeze(hoga.se_a.gate, x1 + x2 + x3 + x4)), dim=1)
        return squeeze(hoga.se_b.gate, hoga.fuse(z) + x)


def squeeze(perceptron: nn.Module, x: Tensor) -> Tensor:
    """Return ``x * sigmoid(W2 relu(W1 mean(x)))``."""
    return x * perceptron(x.mean((2, 3)))[:, :, None, None]


def channel_gate(gate: nn.Module, x: Tensor) -> Tensor:
    """Return ``sigmoid(mlp(mean(x)) + mlp(max(x)))``."""
    return torch.sigmoid(gate.mlp(x.mean((2, 3))) + gate.mlp(x.amax((2, 3))))[:, :, None, None]


def max_and_mean(x: Tensor) -> Tensor:
    """Return the channel maximum and mean, ``(B, 2, H, W)``."""
    return torch.cat((x.amax(1, keepdim=True), x.mean(1, keepdim=True)), dim=1)


def layer_by_layer(layers: Iterable[nn.Module], x: Tensor) -> Tensor:
    """Return what the last of some layers puts out."""
    for layer in layers:
        x = layer(x)
    return x


def operation(name: str, op: nn.Module, x: Tensor) -> Tensor:
    """Return what an operation of a genotype puts out, written from its definition."""
    if name == "none":
        return torch.zeros_like(x)
    if name == "skip_connect":
        return x
    if name in ("sep_conv_3x3", "dil_conv_3x3"):
        return x * layer_by_layer(op.gate, x)
    if name in ("sep_conv_3x3_spatial", "dil_conv_3x3_spatial"):
        return x * layer_by_layer(op.gate, max_and_mean(x))
    if name == "SE":
        return squeeze(op.gate, x)
    if name == "SE_A_M":
        return x * channel_gate(op.gate, x)
    y = x * channel_gate(op.channel_gate, x)
    spatial = op.spatial_gate
    return y * torch.sigmoid(spatial.bn(F.conv2d(max_and_mean(y), spatial.conv.weight, padding=3)))


def reference_of(model: nn.Module) -> nn.Module:
    """Return a copy of a network whose HOGA modules are evaluated operation by operation."""
    plain = copy.deepcopy(model)
    for name, module in list(plain.named_modules()):
        if isinstance(module, HighOrderGroupAttention):
            plain.set_submodule(name, Reference(module))
    return plain.eval()


def network(name: str) -> Callable[[Tensor], Tensor]:
    """Return a contender, ready to run on contiguous images."""
    torch.manual_seed(0)
    model = create_model("resnet20", "hoga", num_classes=10).eval()
    if name == "reference":
        return reference_of(model)
    if name == "forward":
        return model
    images = torch.randn(4, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    fast = fast_copy(Runnable(copied(model)), STAGES, images).model
    run = torch.compile(fast, dynamic=False) if name == "compiled" else fast
    return lambda x: run(x.contiguous(memory_format=torch.channels_last))


def contender(name: str, threads: int) -> None:
    """Time one contender in this process; its value is how far its logits are from the reference's."""
    torch.set_num_threads(threads)
    images = torch.randn(BATCH, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        run = network(name)
        expected = network("reference")(images)
        report_run(
            lambda: [run(images) for _ in range(BATCHES)][-1],
            value=lambda logits: float((logits - expected).abs().max() / expected.abs().max()),
        )


def print_table(runs: int, threads: int) -> None:
    """Run all contenders and print a Markdown table."""
    found = interleave({name: [MODULE, "--threads", str(threads), "--contender", name] for name in CONTENDERS}, runs)
    print(
        f"| HOGA ResNet-20, batch {BATCH}, {threads} threads | times as fast (min to max) | target | images/s "
        "| differs by |"
    )
    print("|---|---|---|---|---|")
    for name, what in CONTENDERS.items():
        middle, low, high = ratios(found["reference"], found[name])
        rate = BATCH * BATCHES / median(found[name].seconds)
        print(
            f"| {name}: {what} | {middle:.2f} ({low:.2f} to {high:.2f}) | {TARGETS.get(name, '')} | {rate:.0f} "
            f"| {max(found[name].values):.0e} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contender:
        contender(arguments.contender, arguments.threads)
    else:
        print_table(arguments.runs, arguments.threads)


if __name__ == "__main__":
    main()
