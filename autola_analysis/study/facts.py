"""What every report says of its networks and images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autola_analysis.analyses.variants import preprocessing_for
from autola_analysis.data.source import ImageSource
from autola_analysis.inference.accuracy import Accuracy
from autola_analysis.inference.cost import cost_of
from autola_analysis.report.accuracy import MeasuredModel
from autola_analysis.study.models import StudyModel


def facts_of(
    models: Sequence[StudyModel], source: ImageSource, left_out: Sequence[str], hash_contents: bool = False
) -> dict[str, Any]:
    """Return the parts of ``run.json`` about networks and images."""
    return {
        "models": [
            {
                "model": model.variant.name,
                "run": model.variant.run,
                "path": str(model.loaded.path),
                "sha256": model.loaded.sha256,
                "spec": model.loaded.spec.to_dict() if model.loaded.spec else None,
                "preprocessing": _recorded(model, source),
                "evidence": list(model.loaded.evidence),
                "warnings": list(model.loaded.warnings),
            }
            for model in models
        ],
        "data": {
            "name": source.name,
            "split": source.split,
            "images": len(source),
            "classes": len(source.classes),
            "fingerprint": source.fingerprint(),
            "contents": source.hash_contents() if hash_contents else None,
            "left_out": [str(path) for path in left_out],
        },
    }


def warnings_of(models: Sequence[StudyModel], left_out: Sequence[str], said: Sequence[str]) -> list[str]:
    """Return all warnings of a run: of loading, of the analysis (each once), and the images that were left out."""
    loading = [f"{model.variant.title}: {warning}" for model in models for warning in model.loaded.warnings]
    return [*loading, *dict.fromkeys(said), *(f"left out, cannot be decoded: {path}" for path in left_out)]


def measured_models(
    models: Sequence[StudyModel], source: ImageSource, accuracies: Sequence[Accuracy]
) -> list[MeasuredModel]:
    """Return accuracy and cost of every network on the images of a run."""
    return [
        MeasuredModel(
            model.variant.name,
            model.variant.run,
            accuracy,
            cost_of(model.variant.model, _image_shape(model, source)),
        )
        for model, accuracy in zip(models, accuracies, strict=True)
    ]


def _image_shape(model: StudyModel, source: ImageSource) -> tuple[int, int, int]:
    preprocessing = preprocessing_for(model.variant, source)
    assert preprocessing is not None
    channels, height, width = preprocessing.geometry(source.image(0)).shape
    return channels, height, width


def _recorded(model: StudyModel, source: ImageSource) -> dict[str, Any] | None:
    preprocessing = preprocessing_for(model.variant, source)
    return preprocessing.to_dict() if preprocessing else None
