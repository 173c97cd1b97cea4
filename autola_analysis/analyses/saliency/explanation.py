"""The result of explaining images: raw maps, what they explain, and whether they say anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import pandas as pd
import torch
from torch import Tensor

from autola_analysis.analyses.saliency.cells import CellGrid
from autola_analysis.core.errors import DataError
from autola_analysis.core.output_kind import OutputKind
from autola_analysis.core.results import Arrays, Format, SavedResult, Stored
from autola_analysis.inference.class_scores import log_probabilities

MapKey = tuple[str, str | None]
"""(method, layer), the layer None for methods that explain the input"""

NO_CLASS = -1
"""Target of images whose score a function read from the output."""
STATUSES = ("ok", "zero", "constant", "non-finite")
CONSTANT = 1e-6
"""Largest spread of a constant map, relative to its largest value: what upsampling leaves by rounding."""


@dataclass(frozen=True, repr=False)
class Explanation(SavedResult):
    """Saliency maps of a batch of images.

    Attributes:
        maps: Raw float32 maps on the CPU per (method, layer): ``(B, H, W)`` at input size for class activation maps,
            ``(B, 3, H, W)`` for methods that give every input value its own attribution.
        targets: Class that is explained, ``(B,)``, int64; -1 where a function read the score from the output.
        scores: What is explained, ``(B,)``: the score of the class, or what the function read.
        logits: Scores of all classes, ``(B, K)``: logits or, where the network puts these out, probabilities; a single
            logit is that of class 1, with its negative for class 0. ``(B, 0)`` where a function read the score, since
            the output need not be logits.
        grids: Where the cells of each explained layer lie in the images.
        status: Per (method, layer) and image: "ok", "zero" (the map is zero everywhere), "constant" (the same value
            everywhere, so that it points nowhere) or "non-finite".
        settings: What else decided the maps.
        warnings: Sentences that belong beside them.
    """

    FORMAT = Format("explanation", arrays=("maps",))

    maps: Mapping[MapKey, Tensor]
    targets: Tensor
    scores: Tensor
    logits: Tensor
    status: Mapping[MapKey, tuple[str, ...]]
    grids: Mapping[str, CellGrid] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def output(self) -> OutputKind:
        """What the outputs of the network were taken for."""
        kind: OutputKind = self.settings["output"]
        return kind

    @property
    def predicted(self) -> Tensor:
        """Class with the highest logit, ``(B,)``.

        Raises:
            DataError: If a function read the score from the output.
        """
        return self._known_logits().argmax(1)

    @property
    def probabilities(self) -> Tensor:
        """Probability of the target, ``(B,)``.

        Raises:
            DataError: If a function read the score from the output.
        """
        return self.all_probabilities.gather(1, self.targets[:, None])[:, 0]

    @property
    def all_probabilities(self) -> Tensor:
        """Probability of every class, ``(B, K)``.

        Raises:
            DataError: If a function read the score from the output.
        """
        return log_probabilities(self._known_logits(), self.output).exp()

    def _known_logits(self) -> Tensor:
        if not self.logits.shape[1]:
            raise DataError(
                "a function read the scores of this explanation from the network's output, so that there are no "
                "logits, predictions or probabilities; give a class as target, or look at scores."
            )
        return self.logits

    @property
    def summary(self) -> pd.DataFrame:
        """A row per (method, layer): images, and how many maps have each status."""
        rows = []
        for (method, layer), statuses in self.status.items():
            counts = Counter(statuses)
            rows.append(
                {"method": method, "layer": layer or "", "images": len(statuses)} | {s: counts[s] for s in STATUSES}
            )
        return pd.DataFrame(rows, columns=["method", "layer", "images", *STATUSES])

    def stored(self) -> Stored:
        """Return the maps as arrays."""
        arrays = {f"map_{index}": maps.numpy() for index, maps in enumerate(self.maps.values())}
        arrays |= {"targets": self.targets.numpy(), "scores": self.scores.numpy(), "logits": self.logits.numpy()}
        about = {
            "maps": [
                {"method": method, "layer": layer, "status": self.status[method, layer]} for method, layer in self.maps
            ],
            "grids": {layer: asdict(grid) for layer, grid in self.grids.items()},
            "settings": dict(self.settings),
            "warnings": list(self.warnings),
        }
        return Stored(arrays={"maps": Arrays(arrays, about)})

    @classmethod
    def restored(cls, stored: Stored) -> Self:
        """Return the explanation of its arrays."""
        arrays, about = stored.arrays["maps"].values, stored.arrays["maps"].about
        keys = [(entry["method"], entry["layer"]) for entry in about["maps"]]
        targets, scores, logits = (torch.from_numpy(arrays[name]) for name in ("targets", "scores", "logits"))
        return cls(
            maps={key: torch.from_numpy(arrays[f"map_{index}"]) for index, key in enumerate(keys)},
            targets=targets,
            scores=scores,
            logits=logits,
            status={key: tuple(entry["status"]) for key, entry in zip(keys, about["maps"], strict=True)},
            grids={layer: CellGrid.of(**axes) for layer, axes in about["grids"].items()},
            settings=about["settings"],
            warnings=tuple(about["warnings"]),
        )

    def _repr_html_(self) -> str:
        html: str = self.summary.to_html(index=False)
        return html


def status_of(maps: Tensor) -> tuple[str, ...]:
    """Return the status of each map of ``(B, H, W)`` or ``(B, 3, H, W)``, see `Explanation`."""
    low, high = torch.aminmax(maps.flatten(1), dim=1)  # one look at every value; a NaN comes through
    finite = low.isfinite() & high.isfinite()
    size = torch.maximum(low.abs(), high.abs())
    zero = size == 0
    constant = high - low <= CONSTANT * size
    return tuple(
        "non-finite" if not is_finite else "zero" if is_zero else "constant" if is_constant else "ok"
        for is_finite, is_zero, is_constant in zip(finite.tolist(), zero.tolist(), constant.tolist(), strict=True)
    )
