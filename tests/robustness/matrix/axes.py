"""What a network that a user brings can be, in axes: a cell of the matrix takes one value of each.

To add an axis, add a dictionary to `AXES` and let the test that it concerns read the cell's value by its key.
"""

import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

Cell = dict[str, Any]
"""By axis the name of a value."""


class Network(nn.Module):
    """Two stages of convolution, batch norm and ReLU, and a linear head on spatial means."""

    def __init__(self, outputs: int = 3, channels: int = 3) -> None:
        super().__init__()
        self.layer1 = nn.Sequential(nn.Conv2d(channels, 5, 3, padding=1), nn.BatchNorm2d(5), nn.ReLU())
        self.layer2 = nn.Sequential(nn.Conv2d(5, 6, 3, 2, padding=1), nn.BatchNorm2d(6), nn.ReLU(inplace=True))
        self.fc = nn.Linear(6, outputs) if outputs else nn.Identity()
        for norm in (self.layer1[1], self.layer2[1]):
            nn.init.normal_(norm.running_mean, std=0.2)
            nn.init.uniform_(norm.running_var, 0.5, 2)
            nn.init.uniform_(norm.weight, 0.5, 2)
            nn.init.uniform_(norm.bias, 0.2, 0.5)
        if outputs:
            nn.init.normal_(self.fc.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.layer2(self.layer1(x)).mean((2, 3)))


class Around(nn.Module):
    """A wrapper as training code has it: the network under an attribute, a loss beside it."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.net = network
        self.criterion = nn.CrossEntropyLoss()

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class KeepsFeatures(Network):
    """Keeps its features, as tutorials on Grad-CAM write it: they are part of a graph, and no copy can be made."""

    def forward(self, x: Tensor) -> Tensor:
        self.features = self.layer2(self.layer1(x))
        return self.fc(self.features.mean((2, 3)))


def _with_lock(network: Network) -> nn.Module:
    network.lock = threading.Lock()
    return network


def _keeping_features(network: Network) -> nn.Module:
    keeping = KeepsFeatures().to(next(network.parameters()).dtype)
    keeping.load_state_dict(network.state_dict())
    return keeping


def _with_compiled_stage(network: Network) -> nn.Module:
    network.layer1 = torch.compile(network.layer1, backend="eager")
    return network


def _compiled_in_place(network: Network) -> nn.Module:
    network.compile(backend="eager")
    return network


TYPES = {"float32": torch.float32, "half": torch.float16, "bfloat16": torch.bfloat16, "double": torch.float64}
WRAPPINGS: Mapping[str, Callable[[Network], nn.Module]] = {
    "plain": lambda network: network,
    "DataParallel": nn.DataParallel,
    "averaged": AveragedModel,
    "compiled": lambda network: torch.compile(network, backend="eager"),
    "compiled in place": _compiled_in_place,
    "compiled stage": _with_compiled_stage,
    "compiled and parallel": lambda network: nn.DataParallel(torch.compile(network, backend="eager")),
    "wrapped": Around,
    "in a sequence": lambda network: nn.Sequential(nn.Identity(), network),
    "uncopyable: a lock": _with_lock,
    "uncopyable: kept features": _keeping_features,
    "uncopyable and wrapped": lambda network: Around(_with_lock(network)),
    "uncopyable, with a compiled stage": lambda network: _with_lock(_with_compiled_stage(network)),
}
AXES: Mapping[str, Sequence[str]] = {"type": list(TYPES), "wrapping": list(WRAPPINGS)}


def cells(axes: Mapping[str, Sequence[str]]) -> list[Cell]:
    """Return all cells."""
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def pairwise(axes: Mapping[str, Sequence[str]]) -> list[Cell]:
    """Return cells among which every pair of values of two axes is found; greedily, so few."""
    left = cells(axes)
    missing = set().union(*(_pairs(cell) for cell in left))
    picked = []
    while missing:
        best = max(left, key=lambda cell: len(_pairs(cell) & missing))
        picked.append(best)
        missing -= _pairs(best)
    return picked


def _pairs(cell: Cell) -> set[tuple[tuple[str, str], ...]]:
    return set(itertools.combinations(sorted(cell.items()), min(2, len(cell))))


def network_of(cell: Cell) -> tuple[nn.Module, Network]:
    """Return the network of a cell as a user brings it, and the plain one in float64 with the same weights."""
    torch.manual_seed(3)
    plain = Network().to(TYPES[cell["type"]]).eval()
    reference = Network().double().eval()
    reference.load_state_dict(plain.state_dict())
    network = WRAPPINGS[cell["wrapping"]](plain).eval()
    network(torch.rand(2, 3, 9, 9).to(TYPES[cell["type"]]))  # as in training: what is compiled is compiled now
    return network, reference
