"""From the maps of one batch to rows of the table and panels of the figure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from autola_analysis.analyses.output_names import output_names
from autola_analysis.analyses.saliency.common_targets import labels_fit
from autola_analysis.analyses.saliency.explanation import Explanation, MapKey
from autola_analysis.analyses.saliency.faithfulness import faithfulness
from autola_analysis.analyses.saliency.findings import Row
from autola_analysis.analyses.saliency.inputs import standardised
from autola_analysis.analyses.saliency.localisation import CHANCE_MAPS, METRICS, localise
from autola_analysis.analyses.saliency.question import Masks, Question
from autola_analysis.analyses.saliency.result import CHANCE, Panel
from autola_analysis.analyses.variants import Variant
from autola_analysis.data.source import ImageSource
from autola_analysis.inference.stream import Batch
from autola_analysis.inference.tasks import Classification


@dataclass(frozen=True)
class ExplainedBatch:
    """A batch with the maps that one network gave.

    Attributes:
        question: What the network was asked.
        variant: The network.
        batch: The images as the network sees them.
        masks: Where their objects are.
        explanation: The maps.
    """

    question: Question
    variant: Variant
    batch: Batch
    masks: Masks
    explanation: Explanation

    def rows(self) -> Iterator[Row]:
        """Yield a row per map and image."""
        variant, data, explanation = self.variant, self.question.data, self.explanation
        comparable = labels_fit(variant, data, explanation.logits.shape[1])
        for key, maps in explanation.maps.items():
            metrics, curves = self._metrics(key, maps)
            for place, index in enumerate(self.batch.indices.tolist()):
                yield {
                    "model": variant.name,
                    "run": variant.run,
                    "image": data.ids[index],
                    "label": _label(data, index) if comparable else None,
                    "predicted": int(explanation.predicted[place]),
                    "target": int(explanation.targets[place]),
                    "score": float(explanation.scores[place]),
                    "method": key[0],
                    "layer": key[1] or "",
                    "status": explanation.status[key][place],
                    **{name: float(values[place]) for name, values in metrics.items()},
                    **{name: values[place].tolist() for name, values in curves.items()},
                }

    def panels(self) -> Iterator[tuple[int, Panel]]:
        """Yield the number of each image to show with its maps."""
        for key in self.explanation.maps:
            for place, index in enumerate(self.batch.indices.tolist()):
                if index in self.question.shown:
                    yield index, self._panel(key, place)

    @cached_property
    def _inputs(self) -> Tensor:
        return standardised(self.variant, self.batch.images)

    def _metrics(
        self, key: MapKey, maps: Tensor
    ) -> tuple[dict[str, NDArray[np.float64]], dict[str, NDArray[np.float64]]]:
        """Return every metric of the maps of one method and layer, ``(B,)``, and the curves, ``(B, steps + 1)``."""
        grid = self.explanation.grids.get(key[1]) if key[1] is not None and maps.ndim == 3 else None
        metrics = localise(maps, _stacked(self.masks, self.batch.images.shape[-2:]), grid)
        if not self.question.options.faithfulness:
            return metrics, {}
        targets, seed = self.explanation.targets, self.question.options.seed
        task = Classification(self.explanation.output)
        measured = faithfulness(self.variant.model, self._inputs, maps, targets, seed=seed, task=task)
        metrics |= {"insertion": measured.insertion, "deletion": measured.deletion}
        return metrics, {"insertion_curve": measured.insertion_curve, "deletion_curve": measured.deletion_curve}

    def _panel(self, key: MapKey, place: int) -> Panel:
        variant, explanation = self.variant, self.explanation
        predicted = int(explanation.predicted[place])
        data, outputs = self.question.data, explanation.logits.shape[1]
        names = output_names(variant, data.class_names, outputs, labels_fit(variant, data, outputs)).names
        return Panel(
            variant=variant.name,
            run=variant.run,
            method=key[0],
            layer=key[1],
            map=explanation.maps[key][place].numpy().copy(),
            predicted=names[predicted],
            probability=float(explanation.all_probabilities[place, predicted]),
            score=float(explanation.scores[place]),
            status=explanation.status[key][place],
            pixels=self.batch.images[place].expand(3, -1, -1).permute(1, 2, 0).numpy(),
            mask=self.masks[place],
        )


def chance_rows(data: ImageSource, batch: Batch, masks: Masks) -> Iterator[Row]:
    """Yield the rows of the maps that know nothing, for the images of a batch."""
    height, width = batch.images.shape[-2:]
    stacked = _stacked(masks, (height, width))
    for name, make in CHANCE_MAPS.items():
        measured = localise(make(height, width).expand(len(stacked), -1, -1), stacked)
        for place, index in enumerate(batch.indices.tolist()):
            row = {"model": CHANCE, "run": "", "image": data.ids[index], "label": _label(data, index)}
            row |= {"method": name, "layer": "", "status": "ok"}
            yield row | {metric: float(measured[metric][place]) for metric in METRICS}


def _label(data: ImageSource, index: int) -> int | None:
    label = int(data.labels[index])
    return label if label >= 0 else None


def _stacked(masks: Masks, size: Sequence[int]) -> NDArray[np.bool_]:
    """Return masks ``(B, H, W)``; empty, which no metric counts, where there is none."""
    nothing = np.zeros(tuple(size), dtype=bool)
    return np.stack([nothing if mask is None else mask for mask in masks])
