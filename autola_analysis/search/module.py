"""The search as pytorch-lightning runs it: a step of the architecture, then a step of the weights."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from functools import partial
from typing import Any

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import Tensor

from autola_analysis.backbones.memory import training_format
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.search.bilevel import ArchitectureGradient, UnrolledStep, architecture_gradient
from autola_analysis.search.curvature import BATCHES, curvature
from autola_analysis.search.history import History
from autola_analysis.search.recipes import BETAS, SearchRecipe
from autola_analysis.search.supernet import ALPHA, SuperNetwork, frozen_statistics
from autola_analysis.training.module import DivergedError

WEIGHTS_HALF, ALPHA_HALF = "weights", "alpha"
"""Names of the two halves of the training images."""
Batch = tuple[Tensor, Tensor]


class SearchTraining(pl.LightningModule):
    """Alternate steps of alpha on one half of the images and of the weights on the other.

    Args:
        network: The super-network.
        preprocessing: Standardises the uint8 batches.
        recipe: Optimisers and their schedule.
        order: 1 or 2.
        hessian: Of second order, see `bilevel.HESSIANS`.
    """

    def __init__(
        self, network: SuperNetwork, preprocessing: Preprocessing, recipe: SearchRecipe, order: int, hessian: str
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.network = network
        self.memory_format = training_format(network)
        self.preprocessing = preprocessing
        self.recipe = recipe
        self.order = order
        self.hessian = hessian
        self.history = History()
        self.history.add(network.architecture.alpha)
        self._sums: dict[str, Any] = defaultdict(float)
        self._evaluated: list[Batch] = []
        self._started = 0.0

    def configure_optimizers(self) -> Any:
        """Return the optimisers of weights and of alpha."""
        recipe = self.recipe
        descent = torch.optim.SGD(
            self.network.weights().values(),
            recipe.learning_rate,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
        )
        alpha = [self.network.architecture.alpha]
        return [
            descent,
            torch.optim.Adam(alpha, recipe.alpha_learning_rate, betas=BETAS, weight_decay=recipe.alpha_decay),
        ]

    def loss_of(self, weights: Mapping[str, Tensor], alpha: Tensor, batch: Batch) -> Tensor:
        """Return the mean cross-entropy of a standardised batch as a function of weights and alpha."""
        images, labels = batch
        logits = torch.func.functional_call(self.network, {**weights, ALPHA: alpha}, (images,))
        return F.cross_entropy(logits, labels)

    def on_train_epoch_start(self) -> None:
        """Set the learning rate of the epoch, and start its sums."""
        for group in self._optimizers()[0].param_groups:
            group["lr"] = self.recipe.learning_rate_of(self.current_epoch)
        self._sums.clear()
        self._started = time.perf_counter()

    def training_step(self, batches: Mapping[str, Batch], batch_index: int) -> None:
        """Move alpha, then the weights at the new alpha.

        Raises:
            DivergedError: If a loss, a gradient or alpha is NaN or infinite.
        """
        train, held_out = (self._standardised(batches[half]) for half in (WEIGHTS_HALF, ALPHA_HALF))
        if self.current_epoch >= self.recipe.alpha_from_epoch:
            self._move_alpha(train, held_out, batch_index)
        self._move_weights(train, batch_index)
        self._sums["steps"] += 1

    def _move_alpha(self, train: Batch, held_out: Batch, batch_index: int) -> None:
        alpha = self.network.architecture.alpha
        weights = self.network.weights()
        descent = self._optimizers()[0]
        states = {name: descent.state.get(weight, {}).get("momentum_buffer") for name, weight in weights.items()}
        buffers = {name: buffer for name, buffer in states.items() if buffer is not None}
        rate = descent.param_groups[0]["lr"]
        step = UnrolledStep(rate, self.recipe.momentum, self.recipe.weight_decay, buffers)
        with frozen_statistics(self.network):
            gradient = architecture_gradient(
                self.loss_of, weights, alpha, train, held_out, step, self.order, self.hessian
            )
        self._check("loss on the architecture's half", gradient.loss, batch_index)
        self._check("gradient of alpha", gradient.value, batch_index)
        self._record(gradient, alpha.detach())
        alpha.grad = gradient.value
        self.optimizers()[1].step()  # type: ignore[index]
        alpha.grad = None
        self._check("alpha", alpha.detach(), batch_index)

    def _record(self, gradient: ArchitectureGradient, alpha: Tensor) -> None:
        self._sums["alpha_gradient"] += gradient.value.norm()
        self._sums["alpha_decay"] += self.recipe.alpha_decay * alpha.norm()
        self._sums["alpha_steps"] += 1
        if gradient.implicit is not None:
            self._sums["implicit_share"] += gradient.implicit.norm() / gradient.value.norm()

    def _move_weights(self, train: Batch, batch_index: int) -> None:
        images, labels = train
        logits = self.network(images)
        loss = F.cross_entropy(logits, labels)
        self._check("loss on the weights' half", loss.detach(), batch_index)
        weights = list(self.network.weights().values())
        for weight, gradient in zip(weights, torch.autograd.grad(loss, weights), strict=True):
            weight.grad = gradient
        norm = torch.nn.utils.clip_grad_norm_(weights, self.recipe.clip_norm)
        self._sums["clipped"] += (norm > self.recipe.clip_norm).float()
        self._sums["train_loss"] += loss.detach()
        self._sums["train_accuracy"] += (logits.argmax(1) == labels).float().mean()
        self.optimizers()[0].step()  # type: ignore[index]
        for weight in weights:
            weight.grad = None
        self.log("loss", loss.detach(), prog_bar=True)

    def _check(self, what: str, value: Tensor, batch_index: int) -> None:
        if not torch.isfinite(value).all():
            raise DivergedError(f"the {what} is not finite in epoch {self.current_epoch + 1}, step {batch_index + 1}")

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """Add up loss and correct answers on images of the architecture's half, in eval mode, not augmented."""
        images, labels = self._standardised(batch)
        if self._measures_curvature and batch_index < BATCHES:
            self._evaluated.append((images, labels))
        logits = self.network(images)
        self._sums["evaluated_loss"] += F.cross_entropy(logits, labels, reduction="sum")
        self._sums["evaluated_correct"] += (logits.argmax(1) == labels).sum()
        self._sums["evaluated"] += len(labels)

    def on_train_epoch_end(self) -> None:
        """Add the epoch to the history.

        Raises:
            DivergedError: If a weight is NaN or infinite: the last step may have broken it.
        """
        if not all(torch.isfinite(tensor).all() for tensor in self.network.state_dict().values()):
            raise DivergedError(f"the weights are not finite after epoch {self.current_epoch + 1}")
        sums = {name: float(value) for name, value in self._sums.items()}
        steps, evaluated = sums["steps"], max(sums.get("evaluated", 0), 1)
        moved = sums.get("alpha_steps", 0) or float("nan")
        self.history.add(
            self.network.architecture.alpha,
            {
                "rate": self.recipe.learning_rate_of(self.current_epoch),
                "train_loss": sums["train_loss"] / steps,
                "train_accuracy": sums["train_accuracy"] / steps,
                "alpha_loss": sums.get("evaluated_loss", float("nan")) / evaluated,
                "alpha_accuracy": sums.get("evaluated_correct", float("nan")) / evaluated,
                "alpha_gradient": sums.get("alpha_gradient", 0) / moved,
                "alpha_decay": sums.get("alpha_decay", 0) / moved,
                "implicit_share": sums["implicit_share"] / moved if "implicit_share" in sums else float("nan"),
                "clipped": sums["clipped"] / steps,
                "eigenvalue": self._curvature(),
                "seconds": time.perf_counter() - self._started,
            },
        )
        last = self.history.epochs[-1]
        self.log("entropy", last["entropy"], prog_bar=True)
        self.log("changed", last["changed"], prog_bar=True)

    def _curvature(self) -> float:
        """Return the largest eigenvalue of the Hessian in alpha, where the epoch is one that measures it."""
        # Clones, since an evaluation's tensors can be of inference mode, which no gradient goes through.
        batches = [(images.clone(), labels.clone()) for images, labels in self._evaluated]
        self._evaluated.clear()
        if not batches:
            return float("nan")
        weights = {name: each.detach() for name, each in self.network.weights().items()}
        was_training = self.network.training
        self.network.train()
        try:
            with frozen_statistics(self.network):
                alpha, decay = self.network.architecture.alpha, self.recipe.alpha_decay
                losses = [partial(self._loss_at, weights, batch) for batch in batches]
                return curvature(losses, alpha, decay)
        finally:
            self.network.train(was_training)

    def _loss_at(self, weights: Mapping[str, Tensor], batch: Batch, alpha: Tensor) -> Tensor:
        return self.loss_of(weights, alpha, batch)

    @property
    def _measures_curvature(self) -> bool:
        every = self.recipe.curvature_every
        return every > 0 and (self.current_epoch + 1) % every == 0

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Let the state hold the history."""
        checkpoint["history"] = self.history.state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the history from a state."""
        self.history = History.of_state(checkpoint["history"])

    def _optimizers(self) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
        descent, ascent = self.optimizers(use_pl_optimizer=False)  # type: ignore[misc]
        return descent, ascent

    def _standardised(self, batch: Batch) -> Batch:
        images, labels = batch
        return self.preprocessing.normalize(images).contiguous(memory_format=self.memory_format), labels
