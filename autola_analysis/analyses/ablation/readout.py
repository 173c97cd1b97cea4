"""Ablation without a forward: logits are linear in pooled activations, so units are taken out of sums.

With x the pooled activations, r what units are set to, and (W, b) the head, the logits are
``b + W r + W (x - r)``: a unit that is off leaves its term out. Cumulative ablation begins with all units off, where
the logits are exactly ``b + W r``, and puts units back one group at a time, so that nothing is left of a unit that is
off.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autola_analysis.analyses.ablation.head import Head
from autola_analysis.analyses.ablation.orders import FloatArray, IntArray
from autola_analysis.analyses.ablation.outcome import BoolArray, Outcome
from autola_analysis.core.progress import ProgressBar

BLOCK_LOGITS = 2**21
"""Logits that are held at once."""


class Readout:
    """Images whose units can be switched off in front of a linear head.

    Args:
        features: Pooled activations ``(N, K)``.
        labels: ``(N,)``, numbers of the head's outputs.
        head: The head.
        reference: What a unit is set to, ``(K,)``.
        device: Where to compute, in float64; the CPU where it has no float64.
    """

    def __init__(
        self, features: NDArray[np.float32], labels: IntArray, head: Head, reference: FloatArray, device: torch.device
    ) -> None:
        self._device = torch.device("cpu") if device.type == "mps" else device
        self._features = features
        self._labels = self._there(labels)
        self._reference = self._there(reference)
        self._weight = self._there(head.weight)
        self._all_off = self._there(head.bias) + self._weight @ self._reference
        self._block = max(1, BLOCK_LOGITS // len(head.bias))

    def run(self, outcome: Outcome, orders: Sequence[IntArray], counts: IntArray, bar: ProgressBar) -> None:
        """Switch units off, one at a time and along orders, and note which images are right.

        Args:
            outcome: Filled in.
            orders: Numbers of units in the order in which they are switched off, of the outcome's orders.
            counts: Units that are off at every step, ascending from 0, ``(S + 1,)``.
            bar: Counts images.
        """
        for start in range(0, len(self._labels), self._block):
            rows = slice(start, start + self._block)
            active = self._there(self._features[rows]).double() - self._reference
            labels = self._labels[rows]
            logits = self._all_off + active @ self._weight.T
            intact = _right(logits, labels)
            outcome.note_intact(rows, intact)
            for unit in range(active.shape[1]):
                without = logits - active[:, unit, None] * self._weight[:, unit]
                outcome.note_unit(rows, unit, intact, _right(without, labels))
            for number, order in enumerate(orders):
                for step, right in self._steps(active, labels, order, counts):
                    outcome.curves.note(rows, number, step, right)
            bar.update(len(labels))

    def _steps(
        self, active: Tensor, labels: Tensor, order: IntArray, counts: IntArray
    ) -> Iterator[tuple[int, BoolArray]]:
        """Yield the steps of an order from the last, with all units off, to the second."""
        units = self._there(order)
        active, weight = active[:, units], self._weight[:, units].T.contiguous()
        logits = self._all_off.expand(len(active), -1).clone()
        ends = [*counts[1:], counts[-1]]
        for step in range(len(counts) - 1, 0, -1):
            back = slice(counts[step], ends[step])
            logits += active[:, back] @ weight[back]
            yield step, _right(logits, labels)

    def _there(self, array: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(np.array(array)).to(self._device)


def _right(logits: Tensor, labels: Tensor) -> BoolArray:
    """Return whether each image's label has the highest logit; of equal ones the first class has it."""
    right: BoolArray = (logits.argmax(1) == labels).cpu().numpy()
    return right
