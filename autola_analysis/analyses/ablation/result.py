"""The result of ablating units of one layer of one network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pandas as pd

from autola_analysis.analyses.ablation.orders import FloatArray, area_weights
from autola_analysis.analyses.ablation.outcome import FIXED, AblationCurves
from autola_analysis.analyses.ablation.rows import summary_rows
from autola_analysis.analyses.ablation.tables import (
    ABLATION_TABLE,
    ACCURACY,
    ARRAYS,
    CURVE_TABLE,
    FORMAT,
    LOSS_RANDOM,
    REVERSED_MINUS_RANDOM,
    SELECTIVE_MINUS_RANDOM,
    UNIT_TABLE,
)
from autola_analysis.core.results import Arrays, NetworkResult, Stored
from autola_analysis.core.tables import rows_of


@dataclass(frozen=True, repr=False)
class AblationResult(NetworkResult):
    """What becomes of the accuracy of one network while units of one layer are off.

    Attributes:
        model: Name of the variant.
        run: Name of the training run within the variant.
        layer: Name of the layer.
        units: A row per unit, columns of `UNIT_TABLE`.
        curves: Which images are right along the orders of units.
        correlation: Spearman's correlation of selectivity and drop over live units; NaN where it is not defined.
        fold_correlations: The same without each fold of images, ``(F,)``; empty where there are no folds.
        settings: What else decided the numbers.
        warnings: Sentences that belong beside the numbers.
    """

    FORMAT = FORMAT

    model: str
    run: str
    layer: str
    units: pd.DataFrame
    curves: AblationCurves
    correlation: float
    fold_correlations: FloatArray
    settings: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def images(self) -> int:
        """Number of images."""
        return len(self.curves.random)

    @property
    def shares(self) -> FloatArray:
        """Share of the live units that are off at every step, ``(S + 1,)``."""
        return np.linspace(0, 1, self.curves.random.shape[1])

    @property
    def dead(self) -> int:
        """Number of units that never fire."""
        return int(self.units["selectivity"].isna().sum())

    def values_per_image(self) -> dict[str, FloatArray]:
        """Return the value of every image per measure, ``(N,)``; the measure is their mean."""
        shares = self.curves.shares()
        weights = area_weights(len(self.shares) - 1)
        areas: dict[str, FloatArray] = {f"area_{order}": values @ weights for order, values in shares.items()}
        selective, reverse, random = areas.values()
        intact = self.curves.fixed[0, :, 0].astype(np.float64)
        return {
            ACCURACY: intact,
            **areas,
            LOSS_RANDOM: intact - random,
            SELECTIVE_MINUS_RANDOM: selective - random,
            REVERSED_MINUS_RANDOM: reverse - random,
        }

    def correlation_blocks(self) -> FloatArray:
        """Return the jackknife's pseudo-values of the correlation, ``(F,)``, moved so that it is their mean.

        Their spread is the jackknife's standard error, see Efron and Tibshirani, "An Introduction to the Bootstrap",
        1993, chapter 11. One value, the correlation, where there are no folds.
        """
        without = self.fold_correlations
        if len(without) < 2 or np.isnan(without).any():
            return np.array([self.correlation])
        return self.correlation + (len(without) - 1) * (without.mean() - without)

    @classmethod
    def together(cls, results: Sequence[Self]) -> Stored:
        """Return the results of some networks, and the rows of variants over all their runs, as tables and arrays."""
        measures, curves = summary_rows(results)
        about = [
            {
                "model": each.model,
                "run": each.run,
                "layer": each.layer,
                "correlation": None if np.isnan(each.correlation) else each.correlation,
                "settings": dict(each.settings),
                "warnings": list(each.warnings),
            }
            for each in results
        ]
        arrays: dict[str, Any] = {}
        for each in results:
            arrays |= {
                f"{_key(each)}/fixed": np.packbits(each.curves.fixed),
                f"{_key(each)}/random": each.curves.random,
                f"{_key(each)}/totals": each.curves.totals,
                f"{_key(each)}/fold_correlations": each.fold_correlations,
            }
        units = [each.units for each in results] or [UNIT_TABLE.frame()]
        tables = {
            ABLATION_TABLE.name: measures,
            CURVE_TABLE.name: curves,
            UNIT_TABLE.name: pd.concat(units, ignore_index=True),
        }
        return Stored(tables, {ARRAYS: Arrays(arrays, about)})

    @classmethod
    def apart(cls, stored: Stored) -> list[Self]:
        """Return the results that `together` gave these tables and arrays."""
        arrays = stored.arrays[ARRAYS]
        results = []
        for each in arrays.about:
            names = {name: each[name] for name in ("model", "run", "layer")}
            prefix = "/".join(names.values())
            values = {name: arrays.values[f"{prefix}/{name}"] for name in ("fixed", "random", "totals")}
            random = values["random"]
            fixed = np.unpackbits(values["fixed"], count=len(FIXED) * random.size).astype(bool)
            results.append(
                cls(
                    **names,
                    units=rows_of(stored.tables[UNIT_TABLE.name], **names),
                    curves=AblationCurves(fixed.reshape(len(FIXED), *random.shape), random, values["totals"]),
                    correlation=float("nan") if each["correlation"] is None else each["correlation"],
                    fold_correlations=arrays.values[f"{prefix}/fold_correlations"],
                    settings=each["settings"],
                    warnings=tuple(each["warnings"]),
                )
            )
        return results

    def _repr_html_(self) -> str:
        html: str = summary_rows([self])[0].to_html(index=False, float_format="{:.4f}".format)
        return html


def _key(result: AblationResult) -> str:
    return f"{result.model}/{result.run}/{result.layer}"
