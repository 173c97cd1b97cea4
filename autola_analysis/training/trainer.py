"""Run a recipe: train, survive being killed, and leave a checkpoint in this package's format."""

from __future__ import annotations

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
from torch import nn
from torch.utils.data import DataLoader

from autola_analysis.attention.genotype import as_genotype
from autola_analysis.attention.registry import ATTENTIONS, AttentionFactory
from autola_analysis.backbones import ModelSpec
from autola_analysis.backbones.registry import create_model
from autola_analysis.checkpoints.matching import build_aside, build_outline
from autola_analysis.checkpoints.writing import save_model
from autola_analysis.core.device import resolve_device
from autola_analysis.core.errors import OptionError, TrainingError
from autola_analysis.core.files import sha256_of
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.data.source import ImageSource
from autola_analysis.data.workers import SupervisedLoader, leave_process_group
from autola_analysis.training.attention import GENOTYPE, check_options, find_attention
from autola_analysis.training.data import open_splits, preprocessing_of
from autola_analysis.training.images import AugmentedImages, PreprocessedImages
from autola_analysis.training.module import ClassifierTraining, DivergedError
from autola_analysis.training.recipes import MEASURE, Recipe
from autola_analysis.training.state import LAST, WholeFiles, last_state, open_state

Loaders = tuple[DataLoader[Any], DataLoader[Any]]
PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")


@dataclass(frozen=True)
class Training:
    """One training to run.

    Attributes:
        recipe_name: For the record.
        recipe: What to do.
        attention: Registered name of the attention module, or ``FILE.py:Class`` or ``package.module:Class``.
        backbone: Registered name; None takes the recipe's.
        seed: Of the weights, the order of the images and the augmentation.
        attention_options: Options of the attention module; a genotype becomes (operation, source) pairs.
        data: Where the images are, if not the recipe's source as it stands (``cifar10:ROOT``).

    Raises:
        OptionError: If a genotype cannot be read or is not possible.
    """

    recipe_name: str
    recipe: Recipe
    attention: str = "none"
    backbone: str | None = None
    seed: int = 0
    attention_options: dict[str, Any] = field(default_factory=dict)
    data: str | None = None

    def __post_init__(self) -> None:
        if GENOTYPE in self.attention_options:
            pairs = as_genotype(self.attention_options[GENOTYPE]).to_pairs()
            object.__setattr__(self, "attention_options", {**self.attention_options, GENOTYPE: pairs})

    def checked_attention(self) -> AttentionFactory:
        """Return the attention module's class or function, once a network with it could be built.

        Raises:
            UnknownNameError: If the attention or the backbone is not known.
            OptionError: If an option is not possible, or building the network fails.
        """
        factory = find_attention(self.attention)
        check_options(self.attention, factory, self.attention_options)
        try:
            (build_outline if self.attention in ATTENTIONS else build_aside)(lambda: build_with(self.spec(2), factory))
        except (ArithmeticError, RuntimeError, ValueError) as error:
            raise OptionError(
                f"a network with the attention {self.attention} and the options {self.attention_options} cannot be "
                f"built ({error}); give other options."
            ) from error
        return factory

    def spec(self, num_classes: int) -> ModelSpec:
        """Return the description of the network."""
        options = {"width": self.recipe.width} if self.recipe.width else {}
        return ModelSpec(
            self.backbone or self.recipe.backbone, self.attention, num_classes, options, self.attention_options
        )

    def record(self) -> dict[str, Any]:
        """Return everything that decides the outcome, JSON-ready; an own module is recorded by its file's content."""
        file = self.attention.rpartition(":")[0]
        own = {"attention_sha256": sha256_of(file)} if file.endswith(".py") else {}
        return {
            "name": self.recipe_name,
            **self.recipe.to_dict(),
            "backbone": self.backbone or self.recipe.backbone,
            "attention": self.attention,
            "attention_options": self.attention_options,
            "seed": self.seed,
            **own,
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
        TrainingError: If the loss or a weight is not finite, or the state of an unfinished training is damaged.
    """
    if out.exists():
        raise OptionError(f"{out} exists already; choose another --out or remove it.")
    recipe = training.recipe
    attention = training.checked_attention()  # before any image is read
    record = training.record()
    train_source, test_source = open_splits(training.data or recipe.data, recipe.test_split)
    spec = training.spec(len(train_source.classes))
    with isolate_rng(), _quiet_lightning():
        preprocessing = preprocessing_of(recipe, train_source, machine.workers, machine.quiet)
        pl.seed_everything(training.seed, workers=True, verbose=False)
        loaders = _loaders(train_source, test_source, preprocessing, recipe, machine.workers)
        module = ClassifierTraining(build_with(spec, attention), preprocessing, recipe, len(loaders[0]))
        # Not before the network could be built: an error above leaves nothing behind.
        facts: dict[str, Any] = {**record, "images": train_source.fingerprint()}
        if recipe.normalize == MEASURE:
            facts |= {"mean": list(preprocessing.mean), "std": list(preprocessing.std)}
        state = open_state(out, facts)
        metrics = _fit(module, loaders, state, machine)
    save_model(
        out,
        module.model.to(memory_format=torch.contiguous_format),
        spec,
        classes=train_source.classes,
        preprocessing=preprocessing,
        source=train_source.name if ":" not in train_source.name else None,
        recipe=record,
        seed=training.seed,
        metrics=metrics,
        dtype=torch.float16 if machine.half else torch.float32,
    )
    shutil.rmtree(state)
    return metrics


def _fit(module: ClassifierTraining, loaders: Loaders, state: Path, machine: Machine) -> dict[str, float]:
    """Train from the last state on, or from the start; return the metrics on the test split."""
    last = last_state(state)
    trainer = _trainer(module.recipe, state, machine)
    try:
        trainer.fit(module, loaders[0], ckpt_path=None if last is None else str(last))
        (metrics,) = trainer.validate(module, loaders[1], verbose=False)
    except DivergedError as error:
        raise TrainingError(_advice(str(error), state, machine)) from error
    except (SystemExit, RuntimeError) as error:
        if isinstance(error, SystemExit) or _while_interrupted(error):
            raise KeyboardInterrupt from error  # what lightning makes of an interrupt
        raise
    return dict(metrics)


def _advice(what: str, state: Path, machine: Machine) -> str:
    """Return what went wrong and how to go on; a state folder without a finished epoch is of no use and is removed."""
    kept = f"{state} keeps the state after the last whole epoch"
    another = " and another --out"
    if last_state(state) is None:
        shutil.rmtree(state)
        kept, another = "no epoch was finished, so nothing is kept", ""
    precise = "" if machine.precision == "32-true" else ", --precision 32-true"
    return (
        f"{what}, so the training has stopped; {kept}; train again with a lower --set learning_rate, a longer "
        f"--set warmup_epochs{precise}{another}."
    )


def build_with(spec: ModelSpec, attention: AttentionFactory) -> nn.Module:
    """Build the network that a spec describes, with the module that its attention stands for."""
    return create_model(
        spec.backbone, attention, spec.num_classes, attention_options=spec.attention_options, **spec.options
    )


def _while_interrupted(error: BaseException) -> bool:
    """Return whether an error came up while lightning put things in order after an interrupt."""
    cause = error.__context__
    return cause is not None and (isinstance(cause, KeyboardInterrupt) or _while_interrupted(cause))


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


def _loaders(
    train_source: ImageSource, test_source: ImageSource, preprocessing: Preprocessing, recipe: Recipe, workers: int
) -> Loaders:
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
        ModelCheckpoint(
            dirpath=state, filename=Path(LAST).stem, enable_version_counter=False, save_on_train_epoch_end=True
        )
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
        plugins=[WholeFiles()],
        enable_progress_bar=not machine.quiet,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
