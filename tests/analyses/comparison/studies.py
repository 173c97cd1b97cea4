"""Results of studies that never ran: planted differences, known variances."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from autola_analysis.analyses.embedding.result import Embedding
from autola_analysis.analyses.saliency.result import CHANCE, IMAGE_COLUMNS, SaliencyResult
from autola_analysis.analyses.selectivity import SelectivityResult
from autola_analysis.analyses.selectivity.result import SUMMARY_COLUMNS, UNIT_COLUMNS
from autola_analysis.inference.accuracy import Accuracy

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
    """Return a result with the given mean and fold means per layer."""
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
        units=pd.DataFrame(rows, columns=UNIT_COLUMNS),
        summary=pd.DataFrame(summary, columns=SUMMARY_COLUMNS),
        class_means={layer: np.zeros((1, 2)) for layer in means},
        classes=("a", "b"),
        accuracy=Accuracy(100, 0.9, None),
        settings={"seed": seed, "images_per_class": {"a": 50, "b": 50}},
        fold_means=fold_means,
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


def saliency_result(
    energies: Mapping[str, np.ndarray], correct: Mapping[str, np.ndarray] | None = None, layer: str = "layer3"
) -> SaliencyResult:
    """Return a result with the energies ``(runs, images)`` of Grad-CAM maps."""
    rows = [
        {
            "model": model,
            "run": str(run + 1),
            "image": f"image {image:03}",
            "label": 1,
            "predicted": 1 if correct is None else int(correct[model][run, image]),
            "method": "grad-cam",
            "layer": layer,
            "status": "ok",
            "energy": value,
        }
        for model, values in energies.items()
        for run, each in enumerate(values)
        for image, value in enumerate(each)
    ]
    rows.append({"model": CHANCE, "run": "", "image": "image 000", "method": "uniform", "layer": "", "energy": 0.3})
    images = pd.DataFrame(rows, columns=[*IMAGE_COLUMNS, "energy"])
    for column in ("label", "predicted"):
        images[column] = images[column].astype("Int64")
    return SaliencyResult(images, pd.DataFrame())


def embedding(
    model: str, run: str, correct: np.ndarray, layer: str = "layer3", ids: Sequence[str] | None = None
) -> Embedding:
    """Return an embedding whose nearest neighbours get the given images right."""
    images = len(correct)
    return Embedding(
        coords=np.zeros((images, 2)),
        labels=np.zeros(images, dtype=np.int64),
        kl_divergence=1.0,
        params={"seed": 0},
        quality=pd.DataFrame(),
        ids=tuple(ids) if ids is not None else tuple(f"image {image:03}" for image in range(images)),
        classes=("a",),
        model=model,
        run=run,
        layer=layer,
        samples={("features", "knn_accuracy"): correct.astype(float), ("features", "silhouette"): correct - 0.5},
    )
