"""The result of a comparison of features: what every fold of images contributes to every HSIC, and its tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pandas as pd

from autola_analysis.analyses.similarity.baseline import BASELINE, VARIANTS, baseline_rows, variant_rows
from autola_analysis.analyses.similarity.cka import FloatArray, cka_by_fold, cka_of
from autola_analysis.analyses.similarity.compared import ComparedLayers, Place, fold_interval
from autola_analysis.core.columns import INTERVAL, number, text
from autola_analysis.core.results import Arrays, Format, SavedResult, Stored
from autola_analysis.core.tables import Table

LAYERS = Table(
    "similarity",
    (
        text("model", "name of the variant"),
        text("run", "training run within the variant"),
        text("layer", "its layer"),
        text("against", "name of the variant that it is compared with"),
        text("against_run", "its training run"),
        text("against_layer", "its layer"),
        number("cka", "linear CKA, unbiased HSIC; missing where a layer is constant"),
        *INTERVAL,
    ),
)
HSIC = "similarity_hsic"
FORMAT = Format("similarity", (LAYERS, VARIANTS, BASELINE), (HSIC,))


@dataclass(frozen=True, repr=False)
class SimilarityResult(SavedResult):
    """How similar the layers of some networks are.

    Attributes:
        places: Variant, run and layer of every row and column of `hsic`, length L.
        hsic: What every fold of images contributes to the HSIC of all pairs, ``(F, L, L)``; everything else is made of
            it, see `cka`. Empty in all but the first of several processes.
        settings: What else decided the numbers: images, minibatches, pooling, ...
        warnings: Sentences that belong beside the numbers.
    """

    FORMAT = FORMAT

    places: tuple[tuple[str, str, str], ...]
    hsic: FloatArray
    settings: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def cka(self) -> FloatArray:
        """CKA of all pairs, ``(L, L)``."""
        return cka_of(self.hsic)

    @property
    def layers(self) -> pd.DataFrame:
        """A row per pair of layers of all networks, columns of `LAYERS`."""
        values, cka = cka_by_fold(self.hsic), self.cka
        rows = []
        for one, other in zip(*np.triu_indices(len(self.places), 1), strict=True):
            interval = fold_interval(values[:, one, other])
            rows.append([*self.places[one], *self.places[other], cka[one, other], *interval])
        return LAYERS.frame(rows)

    @property
    def variants(self) -> pd.DataFrame:
        """A row per layer and pair of variants, also of a variant with itself, columns of `VARIANTS`."""
        return VARIANTS.frame(list(variant_rows(compared_layers(self))))

    @property
    def baseline(self) -> pd.DataFrame:
        """A row per layer and pair of variants beside their baseline, columns of `BASELINE`."""
        return BASELINE.frame(list(baseline_rows(compared_layers(self))))

    def stored(self) -> Stored:
        """Return the result as tables and arrays; the arrays alone hold all of it."""
        about = {
            "places": [list(place) for place in self.places],
            "settings": dict(self.settings),
            "warnings": list(self.warnings),
        }
        tables = {LAYERS.name: self.layers, VARIANTS.name: self.variants, BASELINE.name: self.baseline}
        return Stored(tables, {HSIC: Arrays({"hsic": self.hsic}, about)})

    @classmethod
    def restored(cls, stored: Stored) -> Self:
        """Return the result of its arrays."""
        arrays = stored.arrays[HSIC]
        about = arrays.about
        places = tuple((model, run, layer) for model, run, layer in about["places"])
        return cls(places, arrays.values["hsic"], about["settings"], tuple(about["warnings"]))

    def _repr_html_(self) -> str:
        table = self.baseline if len(self.baseline) else self.layers
        html: str = table.to_html(index=False, float_format="{:.4f}".format)
        return html


def compared_layers(result: SimilarityResult) -> ComparedLayers:
    """Return the CKA of a result by variant, fold by fold of the images."""
    return ComparedLayers([Place(*place) for place in result.places], cka_by_fold(result.hsic))
