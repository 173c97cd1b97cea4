"""How far a training is, as `core.progress` shows it."""

from __future__ import annotations

from contextlib import ExitStack

import pytorch_lightning as pl

from autola_analysis.core.progress import ProgressBar, progress_bar


class TrainingProgress(pl.Callback):
    """Shows a bar over the batches of all epochs, with the number of the epoch."""

    def __init__(self) -> None:
        self._shown = ExitStack()
        self._bar: ProgressBar | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin, at the epoch that the training goes on with."""
        batches = int(trainer.num_training_batches)
        bar = progress_bar((trainer.max_epochs or 0) * batches, "training", unit="batches")
        self._bar = self._shown.enter_context(bar)
        self._bar.update(trainer.current_epoch * batches)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say which epoch it is."""
        assert self._bar is not None
        self._bar.what = f"epoch {trainer.current_epoch + 1} of {trainer.max_epochs}"

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        """Count a batch."""
        assert self._bar is not None
        self._bar.update()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """End."""
        self._shown.close()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """End."""
        self._shown.close()
