"""Networks whose units are the channels of the image, and ablation by hooks, one forward per step."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from autola_analysis.analyses.ablation.measure import measure_ablation
from autola_analysis.analyses.ablation.result import AblationResult
from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.variants import Variant
from autola_analysis.inference.run import Settings

READING = Reading(Settings(device="cpu", fold=False, quiet=True), batch_size=7)


class Planted(nn.Module):
    """The channels of an image are the units of its only stage; a linear head reads their means.

    Args:
        weight: Of the head, ``(C, K)``.
        bias: ``(C,)``; None gives a head without one.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        super().__init__()
        self.layer1 = nn.ReLU()
        self.unused = nn.Linear(weight.shape[1], len(weight))
        self.fc = nn.Linear(weight.shape[1], len(weight), bias=bias is not None)
        self.fc.weight = nn.Parameter(weight.clone())
        if bias is not None:
            self.fc.bias = nn.Parameter(bias.clone())

    def forward(self, images: Tensor) -> Tensor:
        return self.fc(self.layer1(images).mean((2, 3)))


def images_of(units: Tensor, labels: Tensor, classes: int) -> TensorDataset:
    """Return a data set whose images have these units ``(N, K)``."""
    dataset = TensorDataset(units[:, :, None, None].expand(-1, -1, 2, 2).contiguous(), labels)
    dataset.classes = [str(number) for number in range(classes)]
    return dataset


def drawn(images: int = 60, units: int = 6, classes: int = 4, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return units ``(N, K)`` that tell classes apart somewhat, and labels."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (images,), generator=generator)
    units_of_classes = torch.rand(classes, units, generator=generator)
    return units_of_classes[labels] + 0.5 * torch.rand(images, units, generator=generator), labels


def random_head(units: int = 6, classes: int = 4, seed: int = 1) -> tuple[Tensor, Tensor]:
    """Return weight and bias of a head."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(classes, units, generator=generator), torch.randn(classes, generator=generator)


def ablated(
    model: nn.Module | Variant,
    dataset: Any,
    *,
    reading: Reading = READING,
    **options: Any,
) -> AblationResult:
    """Return the only result of a network."""
    (result,) = measure_ablation(model, dataset, reading=reading, **options)
    return result


@torch.no_grad()
def right_with_units_off(
    model: nn.Module, layer: str, dataset: TensorDataset, off: Sequence[int], value: str
) -> np.ndarray:
    """Return which images are right while units of a layer are set to a value by a hook."""
    images, labels = dataset.tensors
    stage = model.get_submodule(layer)

    def keep(module: nn.Module, inputs: Any, output: Tensor) -> None:
        nonlocal means
        means = output.mean((0, 2, 3))

    means = torch.zeros(0)
    handle = stage.register_forward_hook(keep)
    model(images)
    handle.remove()

    def switch_off(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        changed = output.clone()
        changed[:, list(off)] = means[list(off), None, None] if value == "mean" else 0.0
        return changed

    handle = stage.register_forward_hook(switch_off)
    right = (model(images).argmax(1) == labels).numpy()
    handle.remove()
    return right
