"""Points whose embedding is known to make sense."""

import numpy as np

from autola_analysis.analyses.embedding.features import Features


def blobs(n: int = 60, classes: int = 3, width: int = 8, seed: int = 0, model: str = "model") -> Features:
    """Return normal clouds, one per class, far enough apart to be told apart."""
    generator = np.random.default_rng(seed)
    centres = 3 * generator.normal(size=(classes, width))
    labels = np.arange(n) % classes
    values = (centres[labels] + generator.normal(size=(n, width))).astype(np.float32)
    return Features(values, labels.astype(np.int64), model=model, layer="layer3")
