"""Run a search: survive being killed, and leave the wiring, the super-network and the course of the search."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from pytorch_lightning.utilities.combined_loader import CombinedLoader
from pytorch_lightning.utilities.seed import isolate_rng
from torch.utils.data import DataLoader

from autola_analysis.attention.mixture import SEARCH_REDUCTION
from autola_analysis.attention.operations import OPERATIONS
from autola_analysis.backbones.building import build_outline
from autola_analysis.backbones.registry import ModelSpec
from autola_analysis.checkpoints.writing import save_model
from autola_analysis.core.device import resolve_device
from autola_analysis.core.errors import DataError, OptionError, SearchError
from autola_analysis.core.files import expanded, new_directory, refuse_existing
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.data.source import ImageSource
from autola_analysis.data.subset import limit
from autola_analysis.data.workers import SupervisedLoader, leave_process_group
from autola_analysis.report.figures import write_figure
from autola_analysis.search.batches import PlannedImages
from autola_analysis.search.bilevel import check_order
from autola_analysis.search.derivation import strongest
from autola_analysis.search.edges import edge_rows
from autola_analysis.search.evaluation import correct, inherited, measure_norms
from autola_analysis.search.figure import search_figures
from autola_analysis.search.halves import halves
from autola_analysis.search.health import warnings_of
from autola_analysis.search.history import softmax
from autola_analysis.search.module import ALPHA_HALF, WEIGHTS_HALF, SearchTraining
from autola_analysis.search.recipes import SearchRecipe, images_of
from autola_analysis.search.result import EPOCHS_TABLE, GAPS_TABLE, GENOTYPE_FILE, SUPERNET_FILE, SearchResult
from autola_analysis.search.supernet import SuperNetwork
from autola_analysis.statistics.intervals import mean_interval, share_interval
from autola_analysis.training.batches import EpochBatches
from autola_analysis.training.data import open_splits, preprocessing_of
from autola_analysis.training.images import KEPT_BYTES, AugmentedImages, PreprocessedImages
from autola_analysis.training.lightning import interrupts_as_such, make_trainer, quiet_lightning
from autola_analysis.training.lock import locked_folder
from autola_analysis.training.module import DivergedError
from autola_analysis.training.settings import Machine
from autola_analysis.training.state import discard, last_state, open_state, state_of

SEARCH = "search"
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Search:
    """One search to run.

    Attributes:
        recipe_name: For the record.
        recipe: What to do.
        order: 1 or 2.
        hessian: Of second order: "exact", "differences" or "none".
        backbone: Registered name; None takes the recipe's.
        seed: Of the halves, the weights, alpha, the order of the images and their augmentation.
        data: Where the images are, if not the recipe's source as it stands.

    Raises:
        OptionError: If there is no such order or Hessian.
    """

    recipe_name: str
    recipe: SearchRecipe
    order: int = 1
    hessian: str = "exact"
    backbone: str | None = None
    seed: int = 0
    data: str | None = None

    def __post_init__(self) -> None:
        check_order(self.order, self.hessian)

    @property
    def network(self) -> str:
        """Name of the backbone."""
        return self.backbone or self.recipe.backbone

    @property
    def options(self) -> dict[str, Any]:
        """Options of the backbone."""
        return {"width": self.recipe.width} if self.recipe.width else {}

    def build(self, num_classes: int) -> SuperNetwork:
        """Build the super-network.

        Raises:
            OptionError: If the backbone cannot be built, or its channels do not split into four groups.
        """
        return SuperNetwork(self.network, num_classes, self.seed, self.options)

    def record(self) -> dict[str, Any]:
        """Return everything that decides the outcome, JSON-ready."""
        hessian = {"hessian": self.hessian} if self.order == 2 else {}
        return {
            "name": self.recipe_name,
            **self.recipe.to_dict(),
            "backbone": self.network,
            "order": self.order,
            **hessian,
            "seed": self.seed,
            "operations": list(OPERATIONS),
        }


def run_search(search: Search, out: str | Path, machine: Machine | None = None) -> SearchResult:
    """Search for a wiring and write what was found into the folder `out`.

    The folder gets ``genotype.json``, ``supernet.safetensors``, figures, and the result's tables and arrays. A folder
    ``<out>.search`` holds the state after every epoch; with it, a killed search goes on after its last epoch, and ends
    as it would have. It is removed when `out` is written. Images of the test split are read when the wiring is fixed.

    Raises:
        OptionError: If `out` exists, an unfinished search with other settings lies beside it, or what is asked for does
            not go together.
        DataError: If the images do not divide into two halves.
        SearchError: If a number is not finite, or memory does not suffice.
        TrainingError: If the state of an unfinished search is damaged, or another process searches into `out`.
    """
    machine = machine or Machine()
    out = expanded(out)
    refuse_existing(out)
    _check(search, machine)
    recipe = search.recipe
    train, test = open_splits(search.data or recipe.data, recipe.test_split)
    first, second = halves(train, search.seed)
    with isolate_rng(), quiet_lightning():
        preprocessing = preprocessing_of(images_of(recipe), first, machine.workers, machine.quiet)
        pl.seed_everything(search.seed, workers=True, verbose=False)
        module = SearchTraining(search.build(len(train.classes)), preprocessing, recipe, search.order, search.hessian)
        loaders = _Loaders(search, first, second, preprocessing, machine)
        facts = {**search.record(), "images": train.fingerprint()}
        with locked_folder(state_of(out, SEARCH)):
            refuse_existing(out)  # another process may just have written it
            state = open_state(out, facts, SEARCH)
            _fit(module, loaders, state, machine)
            result = _result(search, module, loaders, test, preprocessing, machine)
            with new_directory(out) as written:
                result.genotype.to_json(written / GENOTYPE_FILE)
                _save(written / SUPERNET_FILE, search, module.network, train, preprocessing, result.weights[-1])
                result.save(written)
                for name, (figure, caption) in search_figures(result).items():
                    write_figure(figure, written, name, caption)
            discard(state)
    return result


def _check(search: Search, machine: Machine) -> None:
    """Refuse, before any image is read, what does not go together.

    Raises:
        OptionError: If second order is to run in another precision than float32, or the network cannot be built.
    """
    if machine.precision == "16-mixed":
        raise OptionError("a search runs in --precision 32-true or bf16-mixed; found 16-mixed.")
    if search.order == 2 and machine.precision != "32-true":
        raise OptionError(
            f"second order differentiates in float32 alone; give --precision 32-true or --order 1 (found "
            f"{machine.precision})."
        )
    try:
        build_outline(lambda: search.build(2))
    except (ArithmeticError, RuntimeError, ValueError) as error:
        raise OptionError(f"a search network of {search.network} cannot be built ({error}).") from error


class _Loaders:
    """Both halves as the search reads them, and images of the architecture's half to evaluate on."""

    def __init__(
        self, search: Search, first: ImageSource, second: ImageSource, preprocessing: Preprocessing, machine: Machine
    ) -> None:
        recipe = search.recipe
        self._options: dict[str, Any] = {
            "num_workers": machine.workers,
            "persistent_workers": machine.workers > 0,
            "pin_memory": torch.cuda.is_available(),
            "worker_init_fn": leave_process_group,
        }
        self._batch_size = recipe.batch_size
        self._kept_bytes = KEPT_BYTES // max(machine.workers, 1)
        self._preprocessing = preprocessing
        self._batches: list[EpochBatches] = []
        self.halves = {
            name: self._augmented(search, half, name) for name, half in ((WEIGHTS_HALF, first), (ALPHA_HALF, second))
        }
        self.steps = min(len(half) for half in (first, second)) // recipe.batch_size
        self.evaluated = self.plain(limit(second, recipe.evaluated_images, search.seed))

    def _augmented(self, search: Search, half: ImageSource, name: str) -> DataLoader[Any]:
        batches = EpochBatches(len(half), self._batch_size, search.seed, name)
        self._batches.append(batches)
        images = PlannedImages(AugmentedImages(half, images_of(search.recipe)))
        return SupervisedLoader(images, sampler=batches, batch_size=None, **self._options)

    def plain(self, source: ImageSource) -> DataLoader[Any]:
        """Return images as evaluation sees them; they are read more than once, so that decoded ones are kept."""
        images = PreprocessedImages(source, self._preprocessing, self._kept_bytes)
        return SupervisedLoader(images, batch_size=self._batch_size, **self._options)

    def start_at(self, epoch: int) -> None:
        """Choose the epoch, counted from 0, that is read first."""
        for batches in self._batches:
            batches.set_epoch(epoch)

    def combined(self) -> CombinedLoader:
        """Return a batch of either half at a time."""
        return CombinedLoader(self.halves, "min_size")


def _fit(module: SearchTraining, loaders: _Loaders, state: Path, machine: Machine) -> None:
    """Search from the last state on, or from the start."""
    last = last_state(state, module)
    if last is not None:  # lightning starts the first epoch's workers before it tells their samplers which epoch it is
        loaders.start_at(last.epochs)
    trainer = make_trainer(module.recipe.epochs, state, machine, [])
    try:
        with interrupts_as_such():
            trainer.fit(
                module, loaders.combined(), loaders.evaluated, ckpt_path=None if last is None else str(last.file)
            )
    except DivergedError as error:
        raise SearchError(
            f"{error}, so the search has stopped; {_kept(state)}; search again with a lower --set learning_rate or "
            "--set alpha_learning_rate and another --out."
        ) from error
    except torch.OutOfMemoryError as error:
        cheaper = ", --hessian none" if module.order == 2 and module.hessian == "exact" else ""
        cheaper += ", --set curvature_every=0" if module.recipe.curvature_every else ""
        raise SearchError(
            f"memory does not suffice for a step with {module.recipe.batch_size} images of either half; "
            f"{_kept(state)}; give a lower --set batch_size{cheaper}, and another --out."
        ) from error
    except DataError:
        _kept(state)
        raise


def _kept(state: Path) -> str:
    """Say what is left of the search; a state folder without a finished epoch is of no use and is removed."""
    if last_state(state) is None:
        discard(state)
        return "no epoch was finished, so nothing is kept"
    return f"{state} keeps the state after the last whole epoch"


def _result(
    search: Search,
    module: SearchTraining,
    loaders: _Loaders,
    test: ImageSource,
    preprocessing: Preprocessing,
    machine: Machine,
) -> SearchResult:
    """Derive the wiring, and only then look at the test split."""
    recipe, operations = search.recipe, OPERATIONS.names()
    alphas = np.stack(module.history.alphas)
    rows = [{"epoch": number, **row} for number, row in enumerate(module.history.epochs, start=1)]
    epochs = pd.DataFrame(rows, columns=EPOCHS_TABLE.names)
    genotype = strongest(softmax(alphas[-1]), operations)
    device = resolve_device(machine.device)
    wired = inherited(module.network.network, genotype, search.network, len(test.classes), search.options)
    measure_norms(wired, loaders.halves[WEIGHTS_HALF], preprocessing, device)
    images = loaders.plain(test)
    mixed, alone = (
        correct(network, images, preprocessing, device).astype(np.float64)[None] for network in (module.network, wired)
    )
    gaps = [
        ["mixture", mixed.mean(), *share_interval(mixed), mixed.size],
        ["inherited", alone.mean(), *share_interval(alone), alone.size],
        ["discretisation", (mixed - alone).mean(), *mean_interval(mixed - alone), mixed.size],
    ]
    steps = loaders.steps * (recipe.epochs - recipe.alpha_from_epoch)
    edges = pd.DataFrame(edge_rows(alphas, operations))
    return SearchResult(
        alphas,
        tuple(operations),
        epochs,
        GAPS_TABLE.frame(gaps),
        {**search.record(), "steps": steps},
        warnings_of(edges, epochs, steps * recipe.alpha_learning_rate, len(operations) - 1),
    )


def _save(
    path: Path, search: Search, network: SuperNetwork, train: ImageSource, preprocessing: Preprocessing, weights: Array
) -> None:
    """Write the super-network with its final mixture."""
    attention = {"mixture": weights.round(6).tolist(), "reduction": list(SEARCH_REDUCTION)}
    spec = ModelSpec(search.network, "hoga-search", len(train.classes), search.options, attention)
    network.network.cpu()
    save_model(
        path,
        network.network,
        spec,
        classes=train.classes,
        preprocessing=preprocessing,
        source=train.name if ":" not in train.name else None,
        recipe=search.record(),
        seed=search.seed,
    )
