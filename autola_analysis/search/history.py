"""What an epoch of a search leaves behind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autola_analysis.search.derivation import strongest


def softmax(alpha: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the weights of operations, softmax over the last axis, in float64."""
    exponents = np.exp(alpha.astype(np.float64) - alpha.max(-1, keepdims=True))
    weights: NDArray[np.float64] = exponents / exponents.sum(-1, keepdims=True)
    return weights


def entropy(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the entropy of every row over that of a uniform one: 1 is undecided, 0 decided."""
    logs = np.log(np.where(weights > 0, weights, 1.0))
    shares: NDArray[np.float64] = -(weights * logs).sum(-1) / np.log(weights.shape[-1])
    return shares


@dataclass
class History:
    """alpha at the start and after every epoch, and a row of numbers per epoch."""

    alphas: list[NDArray[np.float64]] = field(default_factory=list)
    epochs: list[dict[str, float]] = field(default_factory=list)

    def add(self, alpha: Tensor, numbers: dict[str, float] | None = None) -> None:
        """Add alpha at the start, or at the end of an epoch with that epoch's numbers."""
        self.alphas.append(alpha.detach().cpu().double().numpy().copy())
        if numbers is not None:
            before, after = (strongest(softmax(each)) for each in self.alphas[-2:])
            mean = float(entropy(softmax(self.alphas[-1])).mean())
            self.epochs.append({**numbers, "entropy": mean, "changed": 10 - before.agreement(after)})

    def state(self) -> dict[str, Any]:
        """Return the history in what a state on disk may hold."""
        return {"alphas": torch.from_numpy(np.stack(self.alphas)), "epochs": list(self.epochs)}

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> History:
        """Return the history that `state` gave."""
        return cls(list(state["alphas"].numpy()), list(state["epochs"]))
