"""Files that are one training, and no training runs of their own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

import torch
from torch import nn

from autola_analysis.checkpoints import LoadedModel
from autola_analysis.checkpoints.detector_loading import LoadedDetector
from autola_analysis.core.errors import OptionError


class DistinctFiles:
    """Files of a study so far; a second file with the weights of an earlier one is refused."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[Path, str]] = {}

    def add(self, path: Path, loaded: LoadedModel | LoadedDetector) -> None:
        """Note a file.

        Raises:
            OptionError: If it holds the weights of an earlier one: it says nothing that the earlier one does not.
        """
        weights = _hash_of_weights(loaded.model)
        if weights in self._seen:
            other, sha256 = self._seen[weights]
            what = "are the same checkpoint" if sha256 == loaded.sha256 else "hold the same weights"
            raise OptionError(f"{path} and {other} {what}; give each training once.")
        self._seen[weights] = path, loaded.sha256


def one_training_warnings(runs: Mapping[str, Sequence[LoadedModel | LoadedDetector]]) -> list[str]:
    """Return warnings about files of one variant whose records name the same training.

    Args:
        runs: The files of every variant, by its name.
    """
    return [
        f"{name}: {one.path.name} and {other.path.name} record the same training (seed {one.metadata['seed']}); epochs "
        "of one training are no training runs, and intervals over runs are too narrow where they are counted as such."
        for name, of_variant in runs.items()
        for one, other in combinations(of_variant, 2)
        if one.metadata.get("seed") is not None and _training(one) == _training(other)
    ]


def _hash_of_weights(model: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _training(loaded: LoadedModel | LoadedDetector) -> str:
    """Return what decided a training, as far as its file records it."""
    spec = None if loaded.spec is None else loaded.spec.to_dict()
    return json.dumps([spec, loaded.metadata.get("recipe"), loaded.metadata.get("seed")], sort_keys=True, default=str)
