"""Results of studies that never ran: planted differences, known variances."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from autola_analysis.analyses.selectivity.jackknife import HALVINGS
from autola_analysis.analyses.selectivity.result import SUMMARY, UNITS, SelectivityResult
from autola_analysis.inference.tasks.accuracy import Accuracy

LAYERS = ("layer1", "layer2", "layer3")
FOLDS = 10


def selectivity_result(
    model: str,
    run: str,
    means: Mapping[str, float],
    fold_means: Mapping[str, np.ndarray],
    units: Mapping[str, Sequence[float]] | None = None,
    seed: int = 0,
) -> SelectivityResult:
    """Return a result with the given mean and fold means per layer, and halves that say nothing beyond them."""
    units = units or {layer: [mean] for layer, mean in means.items()}
    rows = [
        {"model": model, "run": run, "layer": layer, "unit": unit, "selectivity": value}
        for layer, values in units.items()
        for unit, value in enumerate(values)
    ]
    summary = [{"model": model, "run": run, "layer": layer, "mean": mean} for layer, mean in means.items()]
    return SelectivityResult(
        model=model,
        run=run,
        units=UNITS.frame(rows),
        summary=SUMMARY.frame(summary),
        class_means={layer: np.zeros((1, 2)) for layer in means},
        classes=("a", "b"),
        accuracy=Accuracy(100, 0.9, None),
        settings={"seed": seed, "images_per_class": {"a": 50, "b": 50}},
        fold_means=fold_means,
        half_means={layer: np.zeros((HALVINGS, 2, 2)) for layer in fold_means},
    )


def selectivities(
    effects: Mapping[str, Sequence[float]],
    runs: int = 3,
    run_spread: float = 0.002,
    fold_spread: float = 0.001,
    seed: int = 0,
) -> list[SelectivityResult]:
    """Return results whose means per layer are 0.1, 0.2, 0.3 plus the effect of the variant."""
    generator = np.random.default_rng(seed)
    shared = {layer: generator.normal(size=FOLDS) for layer in LAYERS}
    results = []
    for model, planted in effects.items():
        for run in range(1, runs + 1):
            means, folds = {}, {}
            for number, (layer, effect) in enumerate(zip(LAYERS, planted, strict=True), 1):
                means[layer] = 0.1 * number + effect + run_spread * generator.normal()
                wobble = shared[layer] + 0.3 * generator.normal(size=FOLDS)
                folds[layer] = means[layer] + fold_spread * (wobble - wobble.mean()) / (FOLDS - 1)
            results.append(selectivity_result(model, str(run), means, folds))
    return results


def shown_units(
    model: str, run: str, values: Sequence[float], areas: float | Sequence[float] = float("nan")
) -> SelectivityResult:
    """Return a result with one layer of units of the given selectivities and areas; NaN is a dead unit."""
    units = pd.DataFrame(
        {
            "model": model,
            "run": run,
            "layer": "layer3",
            "unit": np.arange(len(values)),
            "selectivity": values,
            "preferred_class": [f"class {unit}" for unit in range(len(values))],
            "mean_preferred": 1.0,
            "mean_rest": 0.5,
            "dead": np.isnan(values),
            "preferred_stability": 0.9,
            "auc": areas,
            "items": "images",
        }
    )[UNITS.names]
    means = {"layer3": np.ones((len(values), 2))}
    return SelectivityResult(model, run, units, SUMMARY.frame(), means, ("a", "b"), Accuracy(4, None, None))
