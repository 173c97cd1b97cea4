"""Training of ResNet-20 by the recipe cifar10-short: images a second per attention, and where a step's time goes."""

from __future__ import annotations

import time
from statistics import median
from typing import Any

import torch

from autola_analysis.attention.registry import ATTENTIONS
from autola_analysis.backbones import create_model
from autola_analysis.data import ClutteredDigits, Preprocessing
from autola_analysis.training.images import AugmentedImages
from autola_analysis.training.recipes import RECIPES
from benchmarks.small.measuring import Setting, wait_for_gpu

STAGES = ("batch", "copy", "forward", "backward", "step")
WARM_UP = 3


def print_table(setting: Setting) -> None:
    """Train a few steps with every attention, from decoded images in memory, in float32."""
    steps = setting.size(tiny=1, cpu=2, cuda=30)
    batch = setting.size(tiny=4, cpu=64, cuda=128)
    print(f"| attention, batch {batch} | images/s | " + " | ".join(f"{stage}, ms" for stage in STAGES) + " |")
    print("|---" * (2 + len(STAGES)) + "|")
    for attention in sorted(ATTENTIONS):
        rate, shares = measured(attention, batch, steps, setting)
        cells = " | ".join(f"{1000 * shares[stage]:.1f}" for stage in STAGES)
        print(f"| {attention} | {rate:,.0f} | {cells} |", flush=True)
    print("\nThe stages are timed in other steps than the rate: a GPU finishes every stage before the next begins.\n")


def measured(attention: str, batch: int, steps: int, setting: Setting) -> tuple[float, dict[str, float]]:
    """Return images a second, and the median seconds of every stage of a step."""
    stepped = Stepped(attention, batch, setting)
    for _ in range(1 if setting.tiny else WARM_UP):
        stepped.step({}, waiting=False)
    wait_for_gpu(setting)
    start = time.perf_counter()
    for _ in range(steps):
        stepped.step({}, waiting=False)
    wait_for_gpu(setting)
    rate = batch * steps / (time.perf_counter() - start)
    seconds: dict[str, list[float]] = {stage: [] for stage in STAGES}
    for _ in range(steps):
        stepped.step(seconds, waiting=True)
    return rate, {stage: median(values) for stage, values in seconds.items()}


class Stepped:
    """A training that goes on step by step, as `train` runs it but for pytorch-lightning's part.

    Args:
        attention: Registered name.
        batch: Images per step.
        setting: The device.
    """

    def __init__(self, attention: str, batch: int, setting: Setting) -> None:
        from autola_analysis.training.classification import ClassifierTraining

        torch.manual_seed(0)
        recipe = RECIPES.get("cifar10-short")
        self.setting = setting
        self.images = AugmentedImages(ClutteredDigits("train", max(2 * batch, 8)), recipe)
        self.places = list(range(batch))
        model = create_model("resnet20", attention, num_classes=10)
        self.module: Any = ClassifierTraining(model, Preprocessing(), recipe, 390).to(setting.device).train()
        self.module.log = lambda *_, **__: None  # there is no trainer to log to
        self.optimizer = self.module.configure_optimizers()["optimizer"]

    def step(self, seconds: dict[str, list[float]], waiting: bool) -> None:
        """Run one step and note the time of its stages where a dictionary holds lists for them.

        Args:
            seconds: stage -> times so far.
            waiting: Whether a GPU finishes every stage before the next begins.
        """
        last = time.perf_counter()

        def done(stage: str) -> None:
            nonlocal last
            if waiting:
                wait_for_gpu(self.setting)
                now = time.perf_counter()
                seconds[stage].append(now - last)
                last = now

        images, labels = self.images[self.places]
        done("batch")
        batch = images.to(self.setting.device), labels.to(self.setting.device)
        done("copy")
        loss = self.module.training_step(batch, 0)
        done("forward")
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        done("backward")
        self.optimizer.step()
        done("step")
