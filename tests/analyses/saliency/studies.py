"""Results of maps that were never made: known energies."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from autola_analysis.analyses.saliency.result import CHANCE, IMAGES, METRICS_TABLE, SaliencyResult


def saliency_result(energies: Mapping[str, np.ndarray], layer: str = "layer3") -> SaliencyResult:
    """Return a result with the energies ``(runs, images)`` of Grad-CAM maps."""
    rows = [
        {
            "model": model,
            "run": str(run + 1),
            "image": f"image {image:03}",
            "label": 1,
            "predicted": 1,
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
    images = pd.DataFrame(rows, columns=[*IMAGES.names, "energy"])
    for column in ("label", "predicted"):
        images[column] = images[column].astype("Int64")
    return SaliencyResult(images, METRICS_TABLE.frame())
