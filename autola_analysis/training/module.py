"""The network under training, as pytorch-lightning runs it."""

from __future__ import annotations

import math
from typing import Any

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autola_analysis.core.errors import TrainingError
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.training.images import cutout
from autola_analysis.training.recipes import Recipe


class DivergedError(TrainingError):
    """A loss or weights that are NaN or infinite; the message says when."""


class ClassifierTraining(pl.LightningModule):
    """Cross-entropy training by stochastic gradient descent under a recipe.

    Args:
        model: The network; trained in channels-last memory format.
        preprocessing: Standardises the uint8 batches.
        recipe: Optimiser, schedule, cutout.
        steps_per_epoch: To turn steps into epochs for the schedule.
    """

    def __init__(self, model: nn.Module, preprocessing: Preprocessing, recipe: Recipe, steps_per_epoch: int) -> None:
        super().__init__()
        self.model = model.to(memory_format=torch.channels_last)
        self.preprocessing = preprocessing
        self.recipe = recipe
        self.steps_per_epoch = steps_per_epoch

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of a uint8 batch ``(B, 3, H, W)``."""
        return self.model(self._standardised(images))

    def _standardised(self, images: Tensor) -> Tensor:
        return self.preprocessing.normalize(images).contiguous(memory_format=torch.channels_last)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> Tensor:
        """Return the loss of one batch.

        Raises:
            DivergedError: If it is NaN or infinite.
        """
        images, labels = batch
        inputs = self._standardised(images)
        if self.recipe.cutout:
            inputs = cutout(inputs, self.recipe.cutout)
        loss = F.cross_entropy(self.model(inputs), labels)
        value = loss.item()
        if not math.isfinite(value):
            raise DivergedError(
                f"the loss is {value} in epoch {self.current_epoch + 1}, step {batch_index + 1} of "
                f"{self.steps_per_epoch}"
            )
        self.log("loss", loss, prog_bar=True)
        return loss

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

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> None:
        """Log the accuracy of one batch of the test split."""
        images, labels = batch
        correct = (self(images).argmax(1) == labels).float().mean()
        self.log("accuracy", correct, prog_bar=True, batch_size=len(labels))

    def configure_optimizers(self) -> Any:
        """Return the optimiser and its per-step schedule."""
        recipe = self.recipe
        optimizer = torch.optim.SGD(
            self.parameters(), recipe.learning_rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: recipe.learning_rate_factor(step / self.steps_per_epoch)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
