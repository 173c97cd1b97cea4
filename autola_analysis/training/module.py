"""The network under training, as pytorch-lightning runs it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from autola_analysis.backbones.memory import training_format
from autola_analysis.core.errors import TrainingError
from autola_analysis.inference.tasks.coco_metrics import CocoMatches
from autola_analysis.training.plan import Plan


class DivergedError(TrainingError):
    """A loss or weights that are NaN or infinite; the message says when."""


class NetworkTraining(pl.LightningModule, ABC):
    """Gradient descent under a recipe. Each task has a subclass, which says what the loss is and measures quality.

    Args:
        model: The network; trained in the memory format that `training_format` says.
        recipe: Optimiser and schedule.
        steps_per_epoch: To turn steps into epochs for the schedule.
    """

    def __init__(self, model: nn.Module, recipe: Plan, steps_per_epoch: int) -> None:
        super().__init__()
        self.memory_format = training_format(model)
        self.model = model.to(memory_format=self.memory_format)
        self.plan = recipe
        self.steps_per_epoch = steps_per_epoch

    @abstractmethod
    def loss(self, batch: Any) -> Tensor:
        """Return the loss of one batch of the training split."""

    def training_step(self, batch: Any, batch_index: int) -> Tensor:
        """Return the loss of one batch.

        Raises:
            DivergedError: If it is NaN or infinite.
        """
        loss = self.loss(batch)
        value = loss.item()
        if not math.isfinite(value):
            raise DivergedError(
                f"the loss is {value} in epoch {self.current_epoch + 1}, step {batch_index + 1} of "
                f"{self.steps_per_epoch}"
            )
        self.log("loss", loss, prog_bar=True, batch_size=1)
        return loss

    def log_metrics(self, matches: CocoMatches) -> None:
        """Log what COCO reports of what the network has found, as far as the data have objects for it."""
        metrics = matches.summary().metrics
        self.log_dict({name: value for name, value in metrics.items() if not math.isnan(value)})

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Bound the norm of the gradient, where the recipe does."""
        if self.plan.largest_gradient:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.plan.largest_gradient)

    def on_train_epoch_end(self) -> None:
        """Look at the weights before they become the state to go on from: the last step may have broken them.

        Raises:
            DivergedError: If one is NaN or infinite.
        """
        if not all(torch.isfinite(tensor).all() for tensor in self.model.state_dict().values()):
            raise DivergedError(
                f"the weights are not finite after epoch {self.current_epoch + 1}, step {self.steps_per_epoch} of "
                f"{self.steps_per_epoch}"
            )

    def configure_optimizers(self) -> Any:
        """Return the optimiser and its per-step schedule."""
        optimizer = self.plan.optimizer_of(self.model)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: self.plan.rate_at(step, self.steps_per_epoch)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
