"""What a report says of every network beside the analyses: accuracy, cost, how it was read and run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autola_analysis.analyses.variants import preprocessing_for
from autola_analysis.checkpoints import LoadedModel
from autola_analysis.checkpoints.detector_loading import LoadedDetector
from autola_analysis.core.columns import MODEL, count, number
from autola_analysis.core.tables import Table
from autola_analysis.data.source import Source
from autola_analysis.inference.cost import Cost, cost_of
from autola_analysis.inference.input_area import done_inside
from autola_analysis.inference.tasks.accuracy import ACCURACY, TOP1, Accuracy
from autola_analysis.statistics.difference import Statistic
from autola_analysis.study.models import StudyModel
from autola_analysis.study.runs import one_training_warnings
from autola_analysis.study.sources import StudyData

ACCURACY_TABLE = Table(
    "accuracy",
    (
        *MODEL,
        count("images", "number of images"),
        number(
            "top1", "share of images whose label has the highest logit; missing where the labels are not the head's"
        ),
        number("top5", "share of images whose label is among the five highest; missing below six classes"),
        count("parameters", "number of parameters"),
        count("macs", "multiply-adds of one image, of convolutions and matrix products"),
    ),
    latex=True,
)


@dataclass(frozen=True)
class Network:
    """A network of a study and what was measured of it in every pass.

    Attributes:
        model: The loaded checkpoint.
        source: Images that it was run on.
        accuracy: On these images.
        cost: Parameters and multiply-adds.
        correct: Whether each image's label has the highest logit, ``(N,)``; None where accuracy was not measured.
    """

    model: StudyModel
    source: Source
    accuracy: Accuracy
    cost: Cost
    correct: NDArray[np.bool_] | None = None

    @classmethod
    def of(
        cls, model: StudyModel, source: Source, accuracy: Accuracy, correct: NDArray[np.bool_] | None = None
    ) -> Network:
        """Return a network with its cost on images of a source."""
        return cls(model, source, accuracy, cost_of(model.variant.model, _input_shape(model, source)), correct)


def accuracy_frame(networks: Sequence[Network]) -> pd.DataFrame:
    """Return the rows of ``tables/accuracy.csv``."""
    rows = [
        {
            "model": each.model.variant.name,
            "run": each.model.variant.run,
            "images": each.accuracy.images,
            "top1": each.accuracy.top1,
            "top5": each.accuracy.top5,
            "parameters": each.cost.parameters,
            "macs": each.cost.macs,
        }
        for each in networks
    ]
    return ACCURACY_TABLE.frame(rows).astype({"top1": float, "top5": float})


def of_largest_pass(networks: Sequence[Network]) -> list[Network]:
    """Return the networks as they were measured on the data set with the most images; a study may have several."""
    largest = max((len(each.source) for each in networks), default=0)
    source = next((each.source for each in networks if len(each.source) == largest), None)
    return [each for each in networks if each.source is source]


def accuracy_statistic(networks: Sequence[Network]) -> list[Statistic]:
    """Return top-1 accuracy per image of the largest pass; nothing where it was not measured."""
    by_model: dict[str, list[np.ndarray]] = {}
    for each in of_largest_pass(networks):
        if each.correct is not None:
            by_model.setdefault(each.model.variant.name, []).append(each.correct.astype(float))
    if not by_model:
        return []
    return [Statistic(ACCURACY, "", TOP1, {name: np.stack(runs) for name, runs in by_model.items()})]


def recorded_models(models: Sequence[StudyModel], sources: Sequence[Source]) -> list[dict[str, Any]]:
    """Return what ``run.json`` says of the checkpoints.

    Args:
        models: The checkpoints.
        sources: Images of the study; preprocessing is recorded for the first.
    """
    return [
        {
            "model": model.variant.name,
            "run": model.variant.run,
            "path": str(model.loaded.path),
            "sha256": model.loaded.sha256,
            "spec": model.loaded.spec.to_dict() if model.loaded.spec else None,
            "preprocessing": _preprocessing(model, sources),
            "inside": done_inside(model.variant.model),
            "evidence": list(model.loaded.evidence),
            "warnings": list(model.loaded.warnings),
        }
        for model in models
    ]


def recorded_data(data: StudyData) -> dict[str, Any]:
    """Return what ``run.json`` says of some images."""
    source = data.source
    return {
        "name": source.name,
        "split": source.split,
        "images": len(source),
        "classes": len(source.classes),
        "fingerprint": source.fingerprint(),
        "contents": source.contents_hash,
        "left_out": [str(path) for path in data.left_out],
        "box_changes": asdict(data.box_changes),
    }


def loading_warnings(models: Sequence[StudyModel], data: Sequence[StudyData]) -> tuple[list[str], list[str]]:
    """Return what loading noticed: warnings about checkpoints, and about boxes and images that were left out."""
    of_models = [f"{model.title}: {warning}" for model in models for warning in model.loaded.warnings]
    runs: dict[str, list[LoadedModel | LoadedDetector]] = {}
    for model in models:
        runs.setdefault(model.variant.name, []).append(model.loaded)
    of_models += one_training_warnings(runs)
    of_boxes = [f"{each.title}: {each.box_changes.sentence()}" for each in data if each.box_changes]
    left_out = [path for each in data for path in each.left_out]
    if not left_out:
        return of_models, of_boxes
    names = ", ".join(Path(path).name for path in left_out[:5])
    more = ", ..." if len(left_out) > 5 else ""
    of_images = f"{len(left_out)} images cannot be decoded and are left out (all in run.json): {names}{more}"
    return of_models, [*of_boxes, of_images]


def _input_shape(model: StudyModel, source: Source) -> tuple[int, int, int]:
    """Return channels, height and width of what a network takes of the images of a source."""
    if model.variant.finds_joints:
        return (3, *model.variant.crop_size)
    preprocessing = preprocessing_for(model.variant, source)
    assert preprocessing is not None
    channels, height, width = preprocessing.geometry(source.image(0)).shape
    return channels, height, width


def _preprocessing(model: StudyModel, sources: Sequence[Source]) -> dict[str, Any] | None:
    preprocessing = preprocessing_for(model.variant, sources[0]) if sources else None
    return preprocessing.to_dict() if preprocessing else None
