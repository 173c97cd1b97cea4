"""How pytorch-lightning is run here: quietly, one device, a state after every epoch that is whole or not there."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ModelCheckpoint

from autola_analysis.training.settings import Machine
from autola_analysis.training.showing import TrainingProgress
from autola_analysis.training.state import LAST, WholeFiles


def _while_interrupted(error: BaseException) -> bool:
    """Return whether an error came up while lightning put things in order after an interrupt."""
    cause = error.__context__
    return cause is not None and (isinstance(cause, KeyboardInterrupt) or _while_interrupted(cause))


@contextmanager
def interrupts_as_such() -> Iterator[None]:
    """Raise a KeyboardInterrupt in place of what lightning makes of one."""
    try:
        yield
    except (SystemExit, RuntimeError) as error:
        if isinstance(error, SystemExit) or _while_interrupted(error):
            raise KeyboardInterrupt from error
        raise


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Leave out lightning's advice: about hardware, workers that the user chose, and the folder to resume from."""
    rank_zero = logging.getLogger("pytorch_lightning.utilities.rank_zero")
    level = rank_zero.level
    rank_zero.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            for message in (
                ".*does not have many workers.*",
                ".*exists and is not empty.*",
                ".*have no `val_dataloader`.*",
                ".*isinstance.treespec, LeafSpec.*",
                ".*GPU available but not used.*",
                ".*in eval mode at the start of training.*",
            ):
                warnings.filterwarnings("ignore", message=message)
            yield
    finally:
        rank_zero.setLevel(level)


def make_trainer(epochs: int, state: Path, machine: Machine, first: Sequence[pl.Callback]) -> pl.Trainer:
    """Return the trainer that writes its state into a folder after every epoch.

    Args:
        epochs: How many.
        state: The folder.
        machine: Device, precision, progress bar.
        first: What happens at the end of an epoch before its state is written.
    """
    callbacks: list[pl.Callback] = [
        *first,  # what it does at the end of an epoch is part of the state that is written then
        ModelCheckpoint(
            dirpath=state, filename=Path(LAST).stem, enable_version_counter=False, save_on_train_epoch_end=True
        ),
    ]
    if not machine.quiet:
        callbacks.append(TrainingProgress())
    return pl.Trainer(
        max_epochs=epochs,
        accelerator="gpu" if machine.device == "cuda" else machine.device,
        devices=1,
        precision=machine.precision,  # type: ignore[arg-type]
        logger=False,
        callbacks=callbacks,
        plugins=[WholeFiles()],
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
    )
