"""What a search has found, and how it came to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autola_analysis.attention.genotype import STANDARD_EDGES, Genotype
from autola_analysis.core.columns import INTERVAL, Column, count, number, text
from autola_analysis.core.results import Arrays, Format, SavedResult, Stored
from autola_analysis.core.tables import Table
from autola_analysis.search.derivation import strongest
from autola_analysis.search.edges import edge_rows
from autola_analysis.search.history import softmax

GENOTYPE_FILE, SUPERNET_FILE = "genotype.json", "supernet.safetensors"
"""What lies beside the result in the folder of a search."""
EPOCHS_TABLE = Table(
    "search_epochs",
    (
        count("epoch", "from 1 on"),
        number("rate", "learning rate of the weights"),
        number("train_loss", "on the weights' half, augmented"),
        number("train_accuracy", "share, on the weights' half, augmented"),
        number("alpha_loss", "on images of the architecture's half, not augmented, at the end of the epoch"),
        number("alpha_accuracy", "share, on the same images"),
        number("entropy", "of the edges' weights over that of uniform ones, mean over edges"),
        number("alpha_gradient", "norm of alpha's gradient, mean over steps"),
        number("alpha_decay", "norm of alpha's decay, mean over steps"),
        number("implicit_share", "norm of the implicit term over that of the gradient, mean over steps"),
        number("clipped", "share of weight steps whose gradient was clipped"),
        number("eigenvalue", "largest of the Hessian of the architecture's loss in alpha, where it was measured"),
        count("changed", "edges whose choice changed in the epoch"),
        number("seconds", "of the epoch"),
    ),
)
ALPHAS_TABLE = Table(
    "search_alphas",
    (
        count("epoch", "0 at the start"),
        count("node"),
        count("source", "0 for the node's own group"),
        text("operation"),
        number("alpha"),
        number("weight", "softmax of alpha over the operations of the edge"),
    ),
)
EDGES_TABLE = Table(
    "search_edges",
    (
        count("node"),
        count("source", "0 for the node's own group"),
        text("operation", "strongest other than none"),
        number("weight"),
        text("runner_up"),
        number("runner_up_weight"),
        number("margin", "weight of the strongest operation less that of the next"),
        number("margin_std", "standard deviation of the margin over the last five epochs"),
        number("none_weight", "weight of none"),
        number("entropy", "of the weights over that of uniform ones"),
        count("stable_since", "epoch since which the choice has not changed"),
        Column("decided", "flag", "whether the margin is twice its standard deviation or more"),
    ),
    latex=True,
)
GAPS_TABLE = Table(
    "search_gaps",
    (
        text(
            "quantity",
            "mixture: the super-network; inherited: the found wiring with its weights from there; discretisation: what "
            "is lost from the first to the second, paired over images",
        ),
        number("value", "accuracy on the test split, a share, or the difference of two"),
        *INTERVAL,
        count("images"),
    ),
)


@dataclass(frozen=True, repr=False)
class SearchResult(SavedResult):
    """The course and the outcome of a search.

    Attributes:
        alphas: alpha at the start and after every epoch, ``(epochs + 1, 10, operations)``.
        operations: Names of the columns of alpha.
        epochs: A row per epoch, columns of `EPOCHS_TABLE`.
        gaps: Accuracy on the test split, columns of `GAPS_TABLE`.
        settings: What decided the search: recipe, order, hessian, seed, backbone, data.
        warnings: Sentences that belong beside the wiring.
    """

    alphas: NDArray[np.float64]
    operations: tuple[str, ...]
    epochs: pd.DataFrame
    gaps: pd.DataFrame
    settings: Mapping[str, Any]
    warnings: tuple[str, ...] = ()

    FORMAT: ClassVar[Format] = Format(
        "search", (EPOCHS_TABLE, ALPHAS_TABLE, EDGES_TABLE, GAPS_TABLE), ("search_course",)
    )

    @cached_property
    def genotype(self) -> Genotype:
        """The wiring of the strongest operations, see `strongest`."""
        return strongest(self.weights[-1], self.operations)

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """Weights of the operations, softmax of `alphas`, of the same shape."""
        return softmax(self.alphas)

    @cached_property
    def edges(self) -> pd.DataFrame:
        """A row per edge, columns of `EDGES_TABLE`; see `edge_rows`."""
        return pd.DataFrame(edge_rows(self.alphas, self.operations), columns=EDGES_TABLE.names)

    def stored(self) -> Stored:
        """Return the result as tables and arrays."""
        rows = [
            (epoch, node, source, operation, self.alphas[epoch, row, column], self.weights[epoch, row, column])
            for epoch in range(len(self.alphas))
            for row, (node, source) in enumerate(STANDARD_EDGES)
            for column, operation in enumerate(self.operations)
        ]
        about = {
            "operations": list(self.operations),
            "edges": [list(edge) for edge in STANDARD_EDGES],
            "settings": dict(self.settings),
            "warnings": list(self.warnings),
        }
        return Stored(
            {
                EPOCHS_TABLE.name: self.epochs,
                ALPHAS_TABLE.name: ALPHAS_TABLE.frame(rows),
                EDGES_TABLE.name: self.edges,
                GAPS_TABLE.name: self.gaps,
            },
            {"search_course": Arrays({"alphas": self.alphas}, about)},
        )

    @classmethod
    def restored(cls, stored: Stored) -> Self:
        """Return the result of its tables and arrays."""
        course = stored.arrays["search_course"]
        about = course.about
        return cls(
            course.values["alphas"],
            tuple(about["operations"]),
            stored.tables[EPOCHS_TABLE.name],
            stored.tables[GAPS_TABLE.name],
            about["settings"],
            tuple(about["warnings"]),
        )
