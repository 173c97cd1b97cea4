"""Keeping the checkpoint of the first epoch that reaches an accuracy, so that variants can be compared at one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.seed import isolate_rng
from torch.utils.data import DataLoader

from autola_analysis.core.errors import OptionError


def check_percent(percent: float) -> None:
    """Refuse an accuracy that is no percentage.

    Raises:
        OptionError: If it does not lie above 1 and up to 100; a share would be reached by chance.
    """
    if not 1 < percent <= 100:
        raise OptionError(
            f"--keep-at-accuracy takes an accuracy in percent, above 1 and up to 100, such as 90; found {percent:g}."
        )


def kept_path(out: Path, percent: float) -> Path:
    """Return where the kept checkpoint of a training goes: ``net.at90.safetensors`` beside ``net.safetensors``."""
    return out.with_name(f"{out.stem}.at{percent:g}{out.suffix}")


class KeepAtAccuracy(pl.callbacks.Checkpoint):
    """Measure the accuracy on the test split after every epoch, and write the first network that reaches a given one.

    A `Checkpoint` runs behind the module's own end of an epoch, which has then seen that the weights are finite. What
    was reached is part of the training's state, so that a resumed training goes on with it. The training itself stays
    as it would be: no random number is drawn from its generators.

    Args:
        percent: Accuracy to reach.
        loader: The test split.
        write: Takes the accuracy, a share, and the number of the epoch, from 1 on; writes the network.
    """

    def __init__(self, percent: float, loader: DataLoader[Any], write: Callable[[float, int], None]) -> None:
        self.percent = percent
        self.loader = loader
        self.write = write
        self.kept: int | None = None
        self.best: tuple[float, int] = (-1.0, 0)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Measure, and write where the accuracy is reached for the first time."""
        if self.kept is not None:
            return
        accuracy, epoch = _accuracy(trainer, pl_module, self.loader), trainer.current_epoch + 1
        self.best = max(self.best, (accuracy, epoch), key=lambda reached: reached[0])
        if 100 * accuracy >= self.percent:
            self.write(accuracy, epoch)
            self.kept = epoch

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed training has to know."""
        return {"kept": self.kept, "best": list(self.best)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with what `state_dict` returned."""
        self.kept = state_dict["kept"]
        accuracy, epoch = state_dict["best"]
        self.best = (accuracy, epoch)

    @property
    def missed(self) -> str:
        """The sentence for an accuracy that no epoch has reached."""
        accuracy, epoch = self.best
        return (
            f"no epoch reached an accuracy of {self.percent:g} %, so that no checkpoint is kept at it; the best was "
            f"{100 * accuracy:.2f} % after epoch {epoch}."
        )


def _accuracy(trainer: pl.Trainer, module: pl.LightningModule, loader: DataLoader[Any]) -> float:
    """Return the share of images whose label has the highest logit; module and random numbers stay as they were."""
    correct = images = 0
    training = module.training
    module.eval()
    try:
        with isolate_rng(), torch.no_grad(), trainer.precision_plugin.val_step_context():
            for batch, labels in loader:
                predicted = module(batch.to(module.device)).argmax(1)
                correct += int((predicted == labels.to(module.device)).sum())
                images += len(labels)
    finally:
        module.train(training)
    return correct / images
