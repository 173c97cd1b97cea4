"""The part that hangs on a pass: the score of every image's true class."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from autola_analysis.analyses.observation import class_names
from autola_analysis.analyses.per_image import PerImageValues
from autola_analysis.analyses.variants import Variant
from autola_analysis.core.errors import DataError
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.inference.class_scores import log_probabilities
from autola_analysis.inference.outputs import Output
from autola_analysis.inference.stream import Batch, Stream
from autola_analysis.inference.tasks.accuracy import labels_fit_head

SCORE = "score"
UNALTERED, ALTERED = "context", "altered context"
"""Names of the watchers of the pass that all analyses share, and of the analysis's own"""


class ScoreWatcher:
    """Hangs the scores of the true classes on a pass.

    Args:
        name: Unique among the watchers of a network's passes.
    """

    def __init__(self, name: str = UNALTERED) -> None:
        self.name = name

    def applies_to(self, variant: Variant) -> bool:
        """Return whether the outputs are logits."""
        return variant.has_head

    def inputs(self, variant: Variant) -> dict[str, Any]:
        """Return nothing: network, images and labels decide the scores."""
        return {}

    def watch(
        self, variant: Variant, preprocessing: Preprocessing | None, stream: Stream, folder: Path | None
    ) -> ScoreObserver:
        """Return what keeps the scores of a network."""
        return ScoreObserver(variant, class_names(stream))


class ScoreObserver(PerImageValues):
    """Keeps the probability of the true class of every image.

    Args:
        variant: The network.
        classes: Class names of the data.
    """

    layers: tuple[str, ...] = ()

    def __init__(self, variant: Variant, classes: tuple[str, ...]) -> None:
        super().__init__([SCORE])
        self._variant = variant
        self._classes = classes

    def reduce(self, layer: str, activation: Tensor) -> None:
        """Keep nothing: there are no layers."""

    def update(self, batch: Batch, kept: Mapping[str, Any], output: Output) -> None:
        """Keep the scores of one batch.

        Raises:
            DataError: If the labels are not those of the head.
        """
        if not labels_fit_head(len(self._classes), self._classes, self._variant.classes, output.shape[1]):
            raise DataError(
                f"{self._variant.title}: the labels of the data are not those of the head ({output.shape[1]} outputs, "
                f"{len(self._classes)} classes in the data), so that there is no score of the true class."
            )
        labels = batch.targets.to(output.device)[:, None]
        shares = log_probabilities(output, batch.read_as or "softmax").exp()
        self.keep(batch, {SCORE: shares.gather(1, labels)[:, 0].cpu()})
