"""Run a recipe: train, survive being killed, and leave a checkpoint in this package's format."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import torch
from pytorch_lightning.utilities.seed import isolate_rng

from autola_analysis.backbones.widths import count_parameters
from autola_analysis.checkpoints.writing import save_model
from autola_analysis.core.allocator import freed_memory_kept
from autola_analysis.core.errors import DataError, TrainingError
from autola_analysis.core.files import expanded, refuse_existing, replacing
from autola_analysis.inference.failures import failed_in_module, place_of
from autola_analysis.training import classification
from autola_analysis.training.batches import EpochBatches
from autola_analysis.training.detection import job as detection
from autola_analysis.training.detection.recipes import DetectionRecipe
from autola_analysis.training.job import Job, Prepare
from autola_analysis.training.keeping import KeepAtAccuracy, kept_path
from autola_analysis.training.lightning import interrupts_as_such, make_trainer, quiet_lightning
from autola_analysis.training.lock import locked_folder
from autola_analysis.training.module import DivergedError
from autola_analysis.training.plan import Plan
from autola_analysis.training.pose import job as pose
from autola_analysis.training.pose.recipes import PoseRecipe
from autola_analysis.training.recipes import Recipe
from autola_analysis.training.settings import Machine, Training
from autola_analysis.training.state import (
    KEPT,
    discard,
    kept_checkpoint,
    last_state,
    open_state,
    state_of,
)

logger = logging.getLogger(__name__)
PREPARE: Mapping[type[Plan], Prepare] = {
    Recipe: classification.prepare,
    DetectionRecipe: detection.prepare,
    PoseRecipe: pose.prepare,
}
"""How the training under each kind of recipe is made ready."""


def run_training(training: Training, out: str | Path, machine: Machine | None = None) -> dict[str, float]:
    """Train a network and write it to `out` (safetensors with recipe, seed and accuracy inside).

    A folder ``<out>.training`` holds the state after every epoch; with it, a killed training resumes at its last
    epoch. It is removed when `out` is written.

    One process at a time trains into `out`. Where the training keeps the first epoch that reaches an accuracy, that
    epoch's checkpoint is written too (see `kept_path`); where none reaches it, a warning names the best.

    Returns:
        The metrics that the file records, on the whole test split: ``accuracy`` of a classifier, ``ap`` and others of a
        detector; shares.

    Raises:
        OptionError: If a file to write exists, or an unfinished training with other settings lies beside it.
        TrainingError: If the loss or a weight is not finite, the state of an unfinished training is damaged, or another
            process trains into `out`.
    """
    machine = machine or Machine()
    percent = training.keep_at_accuracy
    out = expanded(out)
    refuse_existing(out)
    if percent is not None and not state_of(out).exists():
        refuse_existing(kept_path(out, percent))
    attention = training.checked_attention()  # before any image is read
    record = training.record()
    with isolate_rng(), quiet_lightning():
        job = PREPARE[type(training.recipe)](training, attention, machine)
        model = job.module.model
        write: Callable[..., Path] = partial(
            save_model,
            model=model,
            spec=job.spec,
            recipe=record if training.match_parameters is None else {**record, "parameters": count_parameters(model)},
            seed=training.seed,
            dtype=torch.float16 if machine.half else torch.float32,
            **job.known,
        )
        # Not before the network could be built: an error above leaves nothing behind.
        with locked_folder(state_of(out)):
            refuse_existing(out)  # another process may just have written it
            state = open_state(out, {**record, **job.facts})
            keeper = None if percent is None else KeepAtAccuracy(percent, job.loaders[1], _keep(write, state))
            metrics = _fit(job, state, machine, keeper)
            if keeper is not None and keeper.kept is not None:
                with replacing(kept_path(out, keeper.percent)) as temporary:
                    shutil.copyfile(kept_checkpoint(state), temporary)
            model.to(memory_format=torch.contiguous_format)
            refuse_existing(out)  # it takes long to get here
            write(out, metrics=metrics)
            discard(state)
    if keeper is not None and keeper.kept is None:
        logger.warning(keeper.missed)
    return metrics


def _keep(write: Callable[..., Path], state: Path) -> Callable[[float, int], None]:
    """Return what writes the network of an epoch into the state folder, until the training has ended."""

    def keep(accuracy: float, epoch: int) -> None:
        write(state / KEPT, metrics={"accuracy": accuracy, "epoch": epoch})

    return keep


def _fit(job: Job, state: Path, machine: Machine, keeper: KeepAtAccuracy | None) -> dict[str, float]:
    """Train from the last state on, or from the start; return the metrics on the test split."""
    train, test = job.loaders
    last = last_state(state, job.module)
    if last is not None and isinstance(train.sampler, EpochBatches):
        train.sampler.set_epoch(last.epochs)  # lightning says it after the first epoch's workers have begun
    trainer = make_trainer(job.module.plan.epochs, state, machine, [] if keeper is None else [keeper])
    try:
        with interrupts_as_such(), freed_memory_kept():
            trainer.fit(job.module, train, ckpt_path=None if last is None else str(last.file))
            (metrics,) = trainer.validate(job.module, test, verbose=False)
    except DivergedError as error:
        raise TrainingError(_advice(str(error), state, machine)) from error
    except DataError:
        if last_state(state) is None:
            discard(state)
        raise
    except BaseException as error:
        if not failed_in_module(error):
            raise
        if last_state(state) is None:
            discard(state)
        raise TrainingError(
            f"a network with the attention {job.spec.attention} cannot run on the images of the training: "
            f"{place_of(error)}; give images of another size, other options of the module with --attention-option, or "
            "another --attention."
        ) from error
    return dict(metrics)


def _advice(what: str, state: Path, machine: Machine) -> str:
    """Return what went wrong and how to go on; a state folder without a finished epoch is of no use and is removed."""
    kept = f"{state} keeps the state after the last whole epoch"
    another = " and another --out"
    if last_state(state) is None:
        discard(state)
        kept, another = "no epoch was finished, so nothing is kept", ""
    precise = "" if machine.precision == "32-true" else ", --precision 32-true"
    return (
        f"{what}, so the training has stopped; {kept}; train again with a lower --set learning_rate, a longer "
        f"--set warmup_epochs{precise}{another}."
    )
