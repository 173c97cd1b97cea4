"""HOGA ResNet-20 beside a reference that evaluates its graph operation by operation: forward and training step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from autola_analysis.backbones import create_model
from autola_analysis.inference.copies import Runnable, copied
from autola_analysis.inference.folding import fast_copy
from benchmarks.hoga import SIDE, STAGES, reference_of
from benchmarks.small.measuring import Setting, alternate, print_rates, print_ratios


def print_table(setting: Setting) -> None:
    """Measure forward and training step in float32."""
    batch = setting.size(tiny=4, cpu=64, cuda=256)
    torch.manual_seed(0)
    model = create_model("resnet20", "hoga", num_classes=10).eval().to(setting.device)
    reference = reference_of(model)
    images = torch.randn(batch, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1)).to(setting.device)
    labels = (torch.arange(batch) % 10).to(setting.device)
    allowed = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        print_forward(model, reference, images, setting)
        steps = {"own training step": step_of(model, images, labels)}
        steps["reference's training step"] = step_of(reference, images, labels)
        seconds = alternate(steps, setting)
    finally:
        torch.backends.cudnn.allow_tf32 = allowed
    print_rates(f"HOGA ResNet-20, batch {batch}", seconds, batch)
    print_ratios(seconds, [("own training step", "reference's training step")])


def print_forward(model: nn.Module, reference: nn.Module, images: Tensor, setting: Setting) -> None:
    """Measure the forward of the network, of its faster copy and of the reference."""
    with torch.inference_mode():
        fast = fast_copy(Runnable(copied(model)), STAGES, images[:4]).model
        expected = reference(images)
        calls: dict[str, Callable[[], Any]] = {
            "own forward": lambda: model(images),
            "fast copy": lambda: fast(images.contiguous(memory_format=torch.channels_last)),
            "reference": lambda: reference(images),
        }
        apart = {name: float((call() - expected).abs().max() / expected.abs().max()) for name, call in calls.items()}
        seconds = alternate(calls, setting)
    print_rates(f"HOGA ResNet-20, batch {len(images)}", seconds, len(images))
    print_ratios(seconds, [("own forward", "reference"), ("fast copy", "reference")])
    print(f"Logits differ from the reference's by at most {max(apart.values()):.0e} of the largest.\n", flush=True)


def step_of(model: nn.Module, images: Tensor, labels: Tensor) -> Callable[[], None]:
    """Return a step of stochastic gradient descent with momentum."""
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()

    return step
