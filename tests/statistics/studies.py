"""Statistics of studies that never ran: planted differences, known variances, claims of every kind."""

from collections.abc import Mapping, Sequence

import numpy as np

from autola_analysis.statistics.claims import Claim
from autola_analysis.statistics.difference import Statistic

LAYERS = ("layer1", "layer2", "layer3")
FOLDS = 10
SLOPE = "slope of mean_selectivity over stages"
CLAIMS = (
    Claim("less in depth", "It is said.", "units", "mean_selectivity", "last", -1, 0.02),
    Claim("alike in the first stage", "It is said.", "units", "mean_selectivity", "first", 0, 0.02),
    Claim("more precise masks", "It is said.", "maps", "energy", "last", 1, 0.02),
    Claim("better features", "It is said.", "features", "knn_accuracy", "last", 1, 0.01),
)


def about(claims: Sequence[Claim], task: str = "classification") -> list[Claim]:
    """Return the claims about networks of a task."""
    return [claim for claim in claims if claim.task == task]


def unit_means(
    effects: Mapping[str, Sequence[float]],
    runs: int = 3,
    run_spread: float = 0.002,
    fold_spread: float = 0.001,
    seed: int = 0,
) -> list[Statistic]:
    """Return means per layer, 0.1, 0.2, 0.3 plus the effect of the variant, in folds of images, and their slope."""
    generator = np.random.default_rng(seed)
    shared = {layer: generator.normal(size=FOLDS) for layer in LAYERS}
    values: dict[str, dict[str, list[np.ndarray]]] = {layer: {model: [] for model in effects} for layer in LAYERS}
    for model, planted in effects.items():
        for _ in range(runs):
            for number, (layer, effect) in enumerate(zip(LAYERS, planted, strict=True), 1):
                wobble = shared[layer] + 0.3 * generator.normal(size=FOLDS)
                mean = 0.1 * number + effect + run_spread * generator.normal()
                values[layer][model].append(mean + fold_spread * (wobble - wobble.mean()))
    stacked = {layer: {model: np.stack(of) for model, of in of_layer.items()} for layer, of_layer in values.items()}
    slopes = {model: (stacked["layer3"][model] - stacked["layer1"][model]) / 2 for model in effects}
    return [
        *(Statistic("units", layer, "mean_selectivity", stacked[layer], folds=True) for layer in LAYERS),
        Statistic("units", "layer1 to layer3", SLOPE, slopes, folds=True, summary=True),
    ]


def per_image(analysis: str, name: str, values: Mapping[str, np.ndarray], layer: str = "layer3") -> Statistic:
    """Return a statistic with the values ``(runs, images)`` of every variant."""
    return Statistic(analysis, layer, name, {model: each.astype(float) for model, each in values.items()})
