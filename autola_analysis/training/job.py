"""A training that is ready to run: its images are open, its network is built. Each task makes its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from autola_analysis.attention.registry import ATTENTIONS, AttentionFactory
from autola_analysis.backbones import ModelSpec
from autola_analysis.core.device import resolve_device
from autola_analysis.data.source import Source
from autola_analysis.data.workers import leave_process_group
from autola_analysis.detectors import DetectorSpec
from autola_analysis.training.memory import check_fits
from autola_analysis.training.module import NetworkTraining
from autola_analysis.training.settings import Machine, Training

Loaders = tuple[DataLoader[Any], DataLoader[Any]]
"""Of the training split, and of the split that quality is measured on."""


@dataclass(frozen=True)
class Job:
    """What `run_training` runs.

    Attributes:
        module: The network and how it is trained.
        loaders: Of the images.
        spec: What the network is.
        known: What the checkpoint records of the data, as `save_model` takes it.
        facts: What of the data decides the outcome, JSON-ready.
    """

    module: NetworkTraining
    loaders: Loaders
    spec: ModelSpec | DetectorSpec
    known: Mapping[str, Any]
    facts: Mapping[str, Any] = field(default_factory=dict)


Prepare = Callable[[Training, AttentionFactory, Machine], Job]
"""Opens the images of a training and builds its network from its seed; the caller keeps the random numbers apart."""


def spec_that_fits(
    training: Training, outputs: int, attention: AttentionFactory, machine: Machine
) -> ModelSpec | DetectorSpec:
    """Return the description of the network.

    Args:
        training: Says which.
        outputs: Number of classes, or of joints.
        attention: The module's class or function.
        machine: Where it is trained.

    Raises:
        OptionError: If it does not fit into memory.
    """
    spec = training.matched_spec(outputs, attention)
    if spec.attention in ATTENTIONS:  # an own module may not be built without memory
        check_fits(spec.parameters, resolve_device(machine.device))
    return spec


def seed_everything(training: Training) -> None:
    """Seed the weights, and what is drawn from torch's generator afterwards."""
    pl.seed_everything(training.seed, workers=True, verbose=False)


def loader_options(machine: Machine) -> dict[str, Any]:
    """Return the options of a loader that decides nothing but how the machine is used."""
    return {
        "num_workers": machine.workers,
        "persistent_workers": machine.workers > 0,
        "pin_memory": torch.cuda.is_available(),
        "worker_init_fn": leave_process_group,
    }


def public_name(source: Source) -> str | None:
    """Return the name of a source as a file may record it; None where it says where the images lie."""
    return source.name if ":" not in source.name else None
