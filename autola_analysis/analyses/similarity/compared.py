"""CKA by variant: the layers of all pairs of runs of two variants, fold by fold of the images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from autola_analysis.analyses.similarity.cka import FloatArray
from autola_analysis.statistics.intervals import Interval, sum_interval


class Place(NamedTuple):
    """A layer of a network.

    Attributes:
        model: Name of the variant.
        run: Name of the training run within the variant.
        layer: Name of the layer.
    """

    model: str
    run: str
    layer: str


@dataclass(frozen=True)
class ComparedLayers:
    """CKA of all pairs of layers.

    Attributes:
        places: Of every row and column, length L.
        values: By fold, see `cka_by_fold`, ``(F, L, L)``.
    """

    places: Sequence[Place]
    values: FloatArray

    @property
    def models(self) -> list[str]:
        """Names of the variants, in order."""
        return list(dict.fromkeys(each.model for each in self.places))

    def runs(self, model: str) -> int:
        """Return the number of training runs of a variant."""
        return len({each.run for each in self.places if each.model == model})

    def layers(self, *models: str) -> list[str]:
        """Return the names of the layers that all of some variants have, in the order of the first."""
        named = [dict.fromkeys(each.layer for each in self.places if each.model == model) for model in models]
        return [layer for layer in named[0] if all(layer in names for names in named)]

    def of_runs(self, model: str, layer: str, against: str, against_layer: str) -> FloatArray:
        """Return the CKA of a layer of every run with one of every run of a variant, ``(R, S, F)``."""
        rows, columns = self._positions(model, layer), self._positions(against, against_layer)
        return np.moveaxis(self.values[:, rows][:, :, columns], 0, -1)

    def of_pairs(self, model: str, layer: str, against: str, against_layer: str) -> FloatArray:
        """Return the CKA of all pairs of different networks of two variants, ``(pairs, F)``.

        Of a variant with itself, layer by layer, every pair of runs counts once; none where it has a single run.
        """
        of_runs = self.of_runs(model, layer, against, against_layer)
        if model != against:
            return of_runs.reshape(-1, of_runs.shape[-1])
        once = np.triu(np.ones(of_runs.shape[:2], dtype=bool), 1)
        return of_runs[once if layer == against_layer else once | once.T]

    def _positions(self, model: str, layer: str) -> NDArray[np.int64]:
        found = [number for number, each in enumerate(self.places) if (each.model, each.layer) == (model, layer)]
        return np.array(found, dtype=np.int64)


def fold_interval(values: FloatArray) -> Interval:
    """Return the 95% interval over images of the mean of fold values ``(F,)``: Student's t over folds."""
    return sum_interval([values[None]], folds=True)
