"""Results of maps that were never made: known precisions."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from autola_analysis.analyses.saliency.result import CHANCE, IMAGES, METRICS_TABLE, SaliencyResult


def saliency_result(precisions: Mapping[str, np.ndarray], layer: str = "layer3") -> SaliencyResult:
    """Return a result with the precisions at mask area ``(runs, images)`` of Grad-CAM maps."""
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
            "precision": value,
        }
        for model, values in precisions.items()
        for run, each in enumerate(values)
        for image, value in enumerate(each)
    ]
    rows.append({"model": CHANCE, "run": "", "image": "image 000", "method": "uniform", "layer": "", "precision": 0.3})
    images = pd.DataFrame(rows, columns=[*IMAGES.names, "precision"])
    for column in ("label", "predicted"):
        images[column] = images[column].astype("Int64")
    return SaliencyResult(images, METRICS_TABLE.frame())
