"""Run a recipe: train, survive being killed, and leave a checkpoint in this package's format."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.seed import isolate_rng
from torch.utils.data import BatchSampler, DataLoader, RandomSampler

from autola_analysis.attention.registry import ATTENTIONS
from autola_analysis.backbones.widths import count_parameters
from autola_analysis.checkpoints.writing import save_model
from autola_analysis.core.allocator import freed_memory_kept
from autola_analysis.core.device import resolve_device
from autola_analysis.core.errors import DataError, TrainingError
from autola_analysis.core.files import expanded, refuse_existing, replacing
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.data.source import ImageSource
from autola_analysis.data.workers import SupervisedLoader, leave_process_group
from autola_analysis.training.data import open_splits, preprocessing_of
from autola_analysis.training.images import KEPT_BYTES, AugmentedImages, PreprocessedImages
from autola_analysis.training.keeping import KeepAtAccuracy, kept_path
from autola_analysis.training.lightning import interrupts_as_such, make_trainer, quiet_lightning
from autola_analysis.training.lock import locked_folder
from autola_analysis.training.memory import check_fits
from autola_analysis.training.module import ClassifierTraining, DivergedError
from autola_analysis.training.recipes import MEASURE, Recipe
from autola_analysis.training.settings import Machine, Training, build_with
from autola_analysis.training.state import (
    KEPT,
    discard,
    kept_checkpoint,
    last_state,
    open_state,
    state_of,
)

logger = logging.getLogger(__name__)
Loaders = tuple[DataLoader[Any], DataLoader[Any]]


def run_training(training: Training, out: str | Path, machine: Machine | None = None) -> dict[str, float]:
    """Train a network and write it to `out` (safetensors with recipe, seed and accuracy inside).

    A folder ``<out>.training`` holds the state after every epoch; with it, a killed training resumes at its last
    epoch. It is removed when `out` is written.

    One process at a time trains into `out`. Where the training keeps the first epoch that reaches an accuracy, that
    epoch's checkpoint is written too (see `kept_path`); where none reaches it, a warning names the best.

    Returns:
        The metrics that the file records: ``accuracy`` on the whole test split, a share.

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
    recipe = training.recipe
    attention = training.checked_attention()  # before any image is read
    record = training.record()
    train_source, test_source = open_splits(training.data or recipe.data, recipe.test_split)
    spec = training.matched_spec(len(train_source.classes), attention)
    if spec.attention in ATTENTIONS:  # an own module may not be built without memory
        check_fits(spec.parameters, resolve_device(machine.device))
    with isolate_rng(), quiet_lightning():
        preprocessing = preprocessing_of(recipe, train_source, machine.workers, machine.quiet)
        pl.seed_everything(training.seed, workers=True, verbose=False)
        loaders = _loaders(train_source, test_source, preprocessing, recipe, machine.workers)
        module = ClassifierTraining(build_with(spec, attention), preprocessing, recipe, len(loaders[0]))
        parameters = count_parameters(module.model)
        write = partial(
            save_model,
            model=module.model,
            spec=spec,
            classes=train_source.classes,
            preprocessing=preprocessing,
            source=train_source.name if ":" not in train_source.name else None,
            recipe=record if training.match_parameters is None else {**record, "parameters": parameters},
            seed=training.seed,
            dtype=torch.float16 if machine.half else torch.float32,
        )
        facts: dict[str, Any] = {**record, "images": train_source.fingerprint()}
        if recipe.normalize == MEASURE:
            facts |= {"mean": list(preprocessing.mean), "std": list(preprocessing.std)}
        # Not before the network could be built: an error above leaves nothing behind.
        with locked_folder(state_of(out)):
            refuse_existing(out)  # another process may just have written it
            state = open_state(out, facts)
            keeper = None if percent is None else KeepAtAccuracy(percent, loaders[1], _keep(write, state))
            metrics = _fit(module, loaders, state, machine, keeper)
            if keeper is not None and keeper.kept is not None:
                with replacing(kept_path(out, keeper.percent)) as temporary:
                    shutil.copyfile(kept_checkpoint(state), temporary)
            module.model.to(memory_format=torch.contiguous_format)
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


def _fit(
    module: ClassifierTraining, loaders: Loaders, state: Path, machine: Machine, keeper: KeepAtAccuracy | None
) -> dict[str, float]:
    """Train from the last state on, or from the start; return the metrics on the test split."""
    last = last_state(state, module)
    trainer = make_trainer(module.recipe.epochs, state, machine, [] if keeper is None else [keeper])
    try:
        with interrupts_as_such(), freed_memory_kept():
            trainer.fit(module, loaders[0], ckpt_path=None if last is None else str(last))
            (metrics,) = trainer.validate(module, loaders[1], verbose=False)
    except DivergedError as error:
        raise TrainingError(_advice(str(error), state, machine)) from error
    except DataError:
        if last_state(state) is None:
            discard(state)
        raise
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


def _loaders(
    train_source: ImageSource, test_source: ImageSource, preprocessing: Preprocessing, recipe: Recipe, workers: int
) -> Loaders:
    options: dict[str, Any] = {
        "num_workers": workers,
        "persistent_workers": workers > 0,
        "pin_memory": torch.cuda.is_available(),
        "worker_init_fn": leave_process_group,
    }
    train_images = AugmentedImages(train_source, recipe, KEPT_BYTES // max(workers, 1))
    drop_last = len(train_images) > recipe.batch_size
    batches = BatchSampler(RandomSampler(train_images), recipe.batch_size, drop_last)
    return (
        SupervisedLoader(train_images, sampler=batches, batch_size=None, **options),
        SupervisedLoader(PreprocessedImages(test_source, preprocessing), batch_size=recipe.batch_size, **options),
    )
