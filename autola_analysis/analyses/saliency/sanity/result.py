"""The result of the sanity check: what random weights leave of the maps, beside two baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autola_analysis.analyses.saliency.sanity.correlations import crossed_interval, mean_of, pairs_interval
from autola_analysis.core.columns import INTERVAL, MODEL, count, number, text
from autola_analysis.core.results import Arrays, Format, SavedResult, Stored
from autola_analysis.core.tables import Table

SANITY = Table(
    "sanity",
    (
        *MODEL,
        text("method", "name of the method"),
        text("layer", "layer; empty for methods without one"),
        text("randomised_to", "last part that was randomised, with everything above it"),
        number("rank_correlation", "with the map of the trained network, mean over draws and images"),
        *INTERVAL,
        count("draws", "draws of random weights"),
        count("images", "number of images"),
        count("undefined", "pairs of a draw and an image without a correlation, because a map says nothing"),
    ),
    latex=True,
    optional=True,
)
BASELINES = Table(
    "sanity_baselines",
    (
        *MODEL,
        text("method", "name of the method"),
        text("layer", "layer; empty for methods without one"),
        text("baseline", "other images: maps of different images; other runs: the same images by other training runs"),
        number("rank_correlation", "mean over pairs of images, or over other runs and images"),
        *INTERVAL,
        count("runs", "training runs whose maps are compared with this one's"),
        count("images", "number of images"),
        count("undefined", "maps, or pairs of maps, without a correlation"),
    ),
    latex=True,
    optional=True,
)
ARRAYS = "sanity_check"
OTHER_IMAGES, OTHER_RUNS = "other images", "other runs"
ENOUGH_DRAWS, ENOUGH_IMAGES = 5, 32


@dataclass(frozen=True)
class ComparedMaps:
    """What the maps of one method of one network are compared with.

    Attributes:
        model: Name of the variant.
        run: Training run whose maps they are.
        method: Name of the method.
        layer: Layer; empty for methods without one.
        other: Part to which the network is randomised, `OTHER_IMAGES` or `OTHER_RUNS`.
        baseline: Whether the weights are trained ones.
    """

    model: str
    run: str
    method: str
    layer: str
    other: str
    baseline: bool = False

    @property
    def key(self) -> str:
        """Name of the array of its correlations."""
        return "/".join((self.model, self.run, self.method, self.layer, self.other))


@dataclass(frozen=True, repr=False)
class SanityResult(SavedResult):
    """How much of a method's maps is left when the network forgets.

    Attributes:
        correlations: Spearman's rank correlations, NaN where a map says nothing: ``(draws, images)`` for random
            weights, ``(runs, images)`` for other runs, ``(images,)`` for other images, each the mean over these.
        table: A row per network, method, layer and stage, in the order of randomisation, columns of `SANITY`:
            ``randomised_to`` is the last part that was randomised, everything above it is too.
        baselines: A row per network, method, layer and baseline, columns of `BASELINES`.
        images: Names of the images, in the order of the correlations.
        settings: What else decided the numbers.
        warnings: Sentences that belong beside them.
    """

    FORMAT = Format("sanity check", (SANITY, BASELINES), (ARRAYS,))

    correlations: Mapping[ComparedMaps, NDArray[np.float64]]
    table: pd.DataFrame
    baselines: pd.DataFrame
    images: Sequence[str] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        correlations: Mapping[ComparedMaps, NDArray[np.float64]],
        images: Sequence[str],
        settings: Mapping[str, Any],
    ) -> Self:
        """Return the result of correlations, with their means and intervals."""
        stages = [_stage(what, values) for what, values in correlations.items() if not what.baseline]
        baselines = [_baseline(what, values) for what, values in correlations.items() if what.baseline]
        warnings = too_few(settings["draws"], len(images))
        return cls(correlations, SANITY.frame(stages), BASELINES.frame(baselines), tuple(images), settings, warnings)

    def renamed(self, names: Mapping[str, str]) -> Self:
        """Return the result with images called by other names."""
        return replace(self, images=tuple(names[image] for image in self.images))

    def stored(self) -> Stored:
        """Return the result as tables and arrays."""
        about = {
            "correlations": [asdict(what) for what in self.correlations],
            "images": list(self.images),
            "settings": dict(self.settings),
            "warnings": list(self.warnings),
        }
        arrays = {what.key: values for what, values in self.correlations.items()}
        return Stored({SANITY.name: self.table, BASELINES.name: self.baselines}, {ARRAYS: Arrays(arrays, about)})

    @classmethod
    def restored(cls, stored: Stored) -> Self:
        """Return the result of its tables and arrays."""
        arrays = stored.arrays[ARRAYS]
        compared = [ComparedMaps(**facts) for facts in arrays.about["correlations"]]
        return cls(
            {what: arrays.values[what.key] for what in compared},
            stored.tables[SANITY.name],
            stored.tables[BASELINES.name],
            tuple(arrays.about["images"]),
            arrays.about["settings"],
            tuple(arrays.about["warnings"]),
        )

    def _repr_html_(self) -> str:
        tables: list[str] = [
            table.to_html(index=False, float_format="{:.3f}".format) for table in (self.table, self.baselines)
        ]
        return "".join(tables)


def too_few(draws: int, images: int) -> tuple[str, ...]:
    """Return a warning where a sanity check rests on few draws or images."""
    if draws >= ENOUGH_DRAWS and images >= ENOUGH_IMAGES:
        return ()
    return (
        f"the sanity check rests on {draws} draws of random weights and {images} images; take {ENOUGH_DRAWS} draws and "
        f"{ENOUGH_IMAGES} images or more before you read its curves.",
    )


def _stage(what: ComparedMaps, values: NDArray[np.float64]) -> list[Any]:
    interval, (draws, images) = crossed_interval(values), values.shape
    return [*_names(what), mean_of(values), *interval, draws, images, int(np.isnan(values).sum())]


def _baseline(what: ComparedMaps, values: NDArray[np.float64]) -> list[Any]:
    interval = pairs_interval(values) if what.other == OTHER_IMAGES else crossed_interval(values)
    runs = 1 if what.other == OTHER_IMAGES else len(values)
    return [*_names(what), mean_of(values), *interval, runs, values.shape[-1], int(np.isnan(values).sum())]


def _names(what: ComparedMaps) -> list[str]:
    return [what.model, what.run, what.method, what.layer, what.other]
