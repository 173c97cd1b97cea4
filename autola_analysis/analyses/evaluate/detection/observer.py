"""The part that hangs on the pass: what a detector finds in every image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from autola_analysis.analyses.evaluate.detection.found import Found
from autola_analysis.analyses.evaluate.kept import ColumnsObserver
from autola_analysis.analyses.variants import Variant
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.inference.outputs import Output
from autola_analysis.inference.stream import Batch, Stream
from autola_analysis.inference.tasks.detection import detections_of


class DetectionWatcher:
    """Hangs the detections on a pass; networks that are no detectors are passed over."""

    name = "evaluate-detection"

    def applies_to(self, variant: Variant) -> bool:
        """Return whether the network is a detector."""
        return variant.finds_objects

    def inputs(self, variant: Variant) -> dict[str, Any]:
        """Return nothing: network and images decide the detections."""
        return {}

    def watch(
        self, variant: Variant, preprocessing: Preprocessing | None, stream: Stream, folder: Path | None
    ) -> DetectionObserver:
        """Return what keeps the detections of a network."""
        return DetectionObserver()


class DetectionObserver(ColumnsObserver):
    """Keep the detections of every image, boxes in shares of its sides."""

    def columns(self, batch: Batch, output: Output) -> dict[str, NDArray[Any]]:
        """Return the detections of one batch, and which image each is of."""
        return Found.of(detections_of(output, batch.images.shape[-2:]), batch.indices.tolist()).arrays()

    def found(self) -> Found:
        """Return the detections in the order of the images; none in all but the first of several processes."""
        columns = self.together()
        return Found.joined([Found(**columns)] if columns else [])
