"""The accuracy of wirings with the weights that a search has left: what a search ranks wirings by."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from autola_analysis.attention.genotype import Genotype
from autola_analysis.checkpoints import LoadedModel
from autola_analysis.core.errors import DataError
from autola_analysis.data.dataset import decoded_batches
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.data.source import ImageSource
from autola_analysis.data.subset import limit
from autola_analysis.search.evaluation import NORM_BATCHES, correct, inherited, measure_norms
from autola_analysis.search.halves import halves

BATCH_SIZE = 64
Batches = list[tuple[Tensor, Tensor]]


def one_shot_accuracies(
    supernet: LoadedModel, train: ImageSource, seed: int, wirings: Sequence[Genotype], images: int, device: torch.device
) -> list[float]:
    """Return the accuracy of wirings on the architecture's half, with weights inherited from a super-network.

    Batch norms are measured anew for every wiring, on 50 batches of the weights' half, not augmented.

    Args:
        supernet: The super-network of a search.
        train: The training split that the search divided.
        seed: Of the search, which decides the halves.
        wirings: What is evaluated.
        images: Most images of either half that are used.
        device: Where the networks run.

    Returns:
        Shares, in the order of the wirings.

    Raises:
        DataError: If the images have other classes than the super-network.
    """
    spec, preprocessing = supernet.spec, supernet.preprocessing
    assert spec is not None  # a search records both
    assert preprocessing is not None
    if supernet.classes != tuple(train.classes):
        raise DataError(
            f"{supernet.path} was searched on other classes than {train.name} has; give --searched SOURCE, the data of "
            "the search."
        )
    first, second = halves(train, seed)
    norms = _batches(first, min(images, NORM_BATCHES * BATCH_SIZE), preprocessing, seed)
    held_out = _batches(second, images, preprocessing, seed)
    accuracies = []
    for wiring in wirings:
        network = inherited(supernet.model, wiring, spec.backbone, spec.num_classes, spec.options)
        measure_norms(network, norms, preprocessing, device)
        accuracies.append(float(correct(network, held_out, preprocessing, device).mean()))
    return accuracies


def _batches(half: ImageSource, images: int, preprocessing: Preprocessing, seed: int) -> Batches:
    """Decode some images of a half, every class in proportion."""
    some = limit(half, images, seed)
    places = [range(start, min(start + BATCH_SIZE, len(some))) for start in range(0, len(some), BATCH_SIZE)]
    labels = torch.from_numpy(some.labels)
    return [(decoded, labels[numbers]) for numbers, decoded in decoded_batches(some, preprocessing, places)]
