"""Class selectivity as a torchmetrics Metric, for use in one's own loops."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from autola_analysis.analyses.selectivity_index import SelectivityIndex, class_means, selectivity_index
from autola_analysis.core.errors import LayerError, OptionError
from autola_analysis.inference.stream import check_labels


class ClassSelectivity(Metric):
    """Class selectivity index of the units of one layer, accumulated over batches and processes.

    Args:
        num_classes: C, labels are 0 to C - 1.
        num_units: K, units (channels) of the layer.
        options: Of `torchmetrics.Metric`.

    Example:
        >>> metric = ClassSelectivity(num_classes=2, num_units=1)
        >>> metric.update(torch.tensor([[3.0], [1.0]]), torch.tensor([0, 1]))
        >>> metric.compute()
        tensor(0.5000, dtype=torch.float64)

    References:
        Morcos et al., "On the importance of single directions for generalization", ICLR 2018.
    """

    full_state_update = False
    higher_is_better = None
    is_differentiable = False

    sums: Tensor
    counts: Tensor

    def __init__(self, num_classes: int, num_units: int, **options: Any) -> None:
        super().__init__(**options)
        self.num_classes = num_classes
        self.num_units = num_units
        self.add_state("sums", torch.zeros(num_classes, num_units, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("counts", torch.zeros(num_classes, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, activations: Tensor, labels: Tensor) -> None:
        """Take in a batch.

        Args:
            activations: After the non-linearity, ``(B, K)`` or ``(B, K, H, W)``.
            labels: ``(B,)``.

        Raises:
            LayerError: If the shape does not fit or an activation is negative.
            DataError: If a label is not below `num_classes`.
            OptionError: If the sums were converted along with a model (``model.to(torch.bfloat16)``).
        """
        if self.sums.dtype != torch.float64:
            raise OptionError(
                f"ClassSelectivity sums in float64 and was converted to {self.sums.dtype}; "
                "create it after the model is converted."
            )
        if activations.ndim not in (2, 4) or activations.shape[1] != self.num_units:
            raise LayerError(
                f"activations must be (B, {self.num_units}) or (B, {self.num_units}, H, W); "
                f"found {tuple(activations.shape)}."
            )
        check_labels(labels, self.num_classes)
        if bool((activations < 0).any()):
            raise LayerError("class selectivity needs activations after a ReLU; found negative ones.")
        if not bool(torch.isfinite(activations).all()):
            raise LayerError("class selectivity needs finite activations; found NaN or infinity.")
        activity = activations.to(torch.float64)
        if activity.ndim == 4:
            activity = activity.mean((2, 3))
        self.sums.index_add_(0, labels, activity)
        self.counts += torch.bincount(labels, minlength=self.num_classes)

    def index(self) -> SelectivityIndex:
        """Return the selectivity with preferred classes and dead units."""
        return selectivity_index(class_means(self.sums.cpu().numpy(), self.counts.cpu().numpy()))

    def compute(self) -> Tensor:
        """Return the selectivity index of every unit, ``(K,)``, a scalar for one unit; NaN for dead units."""
        return torch.from_numpy(self.index().values)
