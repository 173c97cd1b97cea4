"""Run a recipe: train, survive being killed, and leave a checkpoint in this package's format."""

from __future__ import annotations

import json
import logging
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint, TQDMProgressBar
from pytorch_lightning.utilities.seed import isolate_rng
from torch.utils.data import DataLoader

from autola_analysis.attention.registry import attention_factory
from autola_analysis.backbones import ModelSpec
from autola_analysis.backbones.registry import BACKBONES
from autola_analysis.checkpoints.writing import save_model
from autola_analysis.core.device import resolve_device
from autola_analysis.core.errors import OptionError
from autola_analysis.data.open import open_source
from autola_analysis.data.preprocessing import NORMALIZATIONS, Preprocessing
from autola_analysis.data.source import ImageSource
from autola_analysis.data.workers import SupervisedLoader, leave_process_group
from autola_analysis.training.images import AugmentedImages, PreprocessedImages
from autola_analysis.training.module import ClassifierTraining
from autola_analysis.training.recipes import Recipe

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")


@dataclass(frozen=True)
class Training:
    """One training to run.

    Attributes:
        recipe_name: For the record.
        recipe: What to do.
        attention: Registered name of the attention module.
        backbone: Registered name; None takes the recipe's.
        seed: Of the weights, the order of the images and the augmentation.
        attention_options: Options of the attention module.
        data: Where the images are, if not the recipe's source as it stands (``cifar10:ROOT``).
    """

    recipe_name: str
    recipe: Recipe
    attention: str = "none"
    backbone: str | None = None
    seed: int = 0
    attention_options: dict[str, Any] = field(default_factory=dict)
    data: str | None = None

    def spec(self, num_classes: int) -> ModelSpec:
        """Return the description of the network."""
        options = {"width": self.recipe.width} if self.recipe.width else {}
        return ModelSpec(
            self.backbone or self.recipe.backbone, self.attention, num_classes, options, self.attention_options
        )

    def record(self) -> dict[str, Any]:
        """Return everything that decides the outcome, JSON-ready."""
        return {
            "name": self.recipe_name,
            **self.recipe.to_dict(),
            "backbone": self.backbone or self.recipe.backbone,
            "attention": self.attention,
            "attention_options": self.attention_options,
            "seed": self.seed,
        }


@dataclass(frozen=True)
class Machine:
    """How a training uses the machine; nothing here is part of the recipe.

    Attributes:
        device: "auto", "cpu" or "cuda".
        precision: As pytorch-lightning names it ("32-true", "bf16-mixed").
        workers: Processes that decode images.
        quiet: Whether to leave out the progress bar.
        half: Whether the weights are stored in half precision.

    Raises:
        OptionError: If there is no such device or precision.
    """

    device: str = "auto"
    precision: str = "32-true"
    workers: int = 0
    quiet: bool = False
    half: bool = False

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise OptionError(f"precision is one of {', '.join(PRECISIONS)}; found {self.precision!r}.")
        resolve_device(self.device)


def run_training(training: Training, out: Path, machine: Machine = Machine()) -> dict[str, float]:
    """Train a network and write it to `out` (safetensors with recipe, seed and accuracy inside).

    A folder ``<out>.training`` holds the state after every epoch; with it, a killed training resumes at its last
    epoch. It is removed when `out` is written.

    Returns:
        The metrics that the file records: ``accuracy`` on the whole test split, a share.

    Raises:
        OptionError: If `out` exists, or an unfinished training with other settings lies beside it.
    """
    if out.exists():
        raise OptionError(f"{out} exists already; choose another --out or remove it.")
    recipe = training.recipe
    attention_factory(training.attention)  # an unknown name is an error before any image is read
    BACKBONES.get(training.backbone or recipe.backbone)
    train_source = open_source(training.data or recipe.data, split="train")
    test_source = open_source(training.data or recipe.data, split=recipe.test_split)
    preprocessing = _preprocessing(recipe, train_source)
    with isolate_rng(), _quiet_lightning():
        pl.seed_everything(training.seed, workers=True, verbose=False)
        spec = training.spec(len(train_source.classes))
        train_loader, test_loader = _loaders(train_source, test_source, preprocessing, recipe, machine.workers)
        module = ClassifierTraining(spec.build(), preprocessing, recipe, len(train_loader))
        # Not before the network could be built: an error above leaves nothing behind.
        state = _state_folder(out, {**training.record(), "images": train_source.fingerprint()})
        trainer = _trainer(recipe, state, machine)
        last = state / "last.ckpt"
        try:
            trainer.fit(module, train_loader, ckpt_path=str(last) if last.exists() else None)
            (metrics,) = trainer.validate(module, test_loader, verbose=False)
        except (SystemExit, RuntimeError) as error:
            if isinstance(error, SystemExit) or _while_interrupted(error):
                raise KeyboardInterrupt from error  # what lightning makes of an interrupt
            raise
    save_model(
        out,
        module.model.to(memory_format=torch.contiguous_format),
        spec,
        classes=train_source.classes,
        preprocessing=preprocessing,
        source=train_source.name if ":" not in train_source.name else None,
        recipe=training.record(),
        seed=training.seed,
        metrics=dict(metrics),
        dtype=torch.float16 if machine.half else torch.float32,
    )
    shutil.rmtree(state)
    return dict(metrics)


def _while_interrupted(error: BaseException) -> bool:
    """Return whether an error came up while lightning put things in order after an interrupt."""
    cause = error.__context__
    return cause is not None and (isinstance(cause, KeyboardInterrupt) or _while_interrupted(cause))


def _preprocessing(recipe: Recipe, source: ImageSource) -> Preprocessing:
    if recipe.normalize:
        geometry = source.preprocessing or Preprocessing()
        return geometry.with_statistics_of(NORMALIZATIONS.get(recipe.normalize))
    if source.preprocessing is None:
        raise OptionError(
            f"{source.name} has no statistics of its own; give --set normalize=imagenet, cifar10 or none."
        )
    return source.preprocessing


@contextmanager
def _quiet_lightning() -> Iterator[None]:
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
            ):
                warnings.filterwarnings("ignore", message=message)
            yield
    finally:
        rank_zero.setLevel(level)


def _state_folder(out: Path, record: dict[str, Any]) -> Path:
    state = out.with_name(out.name + ".training")
    state.mkdir(parents=True, exist_ok=True)
    settings = state / "settings.json"
    if settings.exists() and json.loads(settings.read_text()) != record:
        raise OptionError(
            f"{state} holds an unfinished training with other settings; repeat the command with those, "
            "remove the folder, or choose another --out."
        )
    settings.write_text(json.dumps(record, indent=1))
    return state


def _loaders(
    train_source: ImageSource, test_source: ImageSource, preprocessing: Preprocessing, recipe: Recipe, workers: int
) -> tuple[DataLoader[Any], DataLoader[Any]]:
    options: dict[str, Any] = {
        "batch_size": recipe.batch_size,
        "num_workers": workers,
        "persistent_workers": workers > 0,
        "pin_memory": torch.cuda.is_available(),
        "worker_init_fn": leave_process_group,
    }
    train_images = AugmentedImages(train_source, recipe)
    drop_last = len(train_images) > recipe.batch_size
    return (
        SupervisedLoader(train_images, shuffle=True, drop_last=drop_last, **options),
        SupervisedLoader(PreprocessedImages(test_source, preprocessing), **options),
    )


def _trainer(recipe: Recipe, state: Path, machine: Machine) -> pl.Trainer:
    callbacks: list[pl.Callback] = [
        ModelCheckpoint(dirpath=state, filename="last", enable_version_counter=False, save_on_train_epoch_end=True)
    ]
    if not machine.quiet:
        callbacks.append(TQDMProgressBar(refresh_rate=10))
    return pl.Trainer(
        max_epochs=recipe.epochs,
        accelerator="gpu" if machine.device == "cuda" else machine.device,
        devices=1,
        precision=machine.precision,  # type: ignore[arg-type]
        logger=False,
        callbacks=callbacks,
        enable_progress_bar=not machine.quiet,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
