"""A list of checkpoints as a study with all analyses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from autola_analysis.core.errors import OptionError
from autola_analysis.study.file import (
    DataTable,
    EmbeddingTable,
    GatesTable,
    ModelTable,
    SaliencyTable,
    SelectivityTable,
    StudyFile,
)
from autola_analysis.study.models import LoadingOptions, NamedCheckpoint, refuse_equal_stems, split_named_path
from autola_analysis.study.sources import DataOptions


def comparison_study(
    checkpoints: Sequence[str],
    loading: LoadingOptions,
    data: DataOptions,
    *,
    candidate: str | None = None,
    boxes: Path | None = None,
    seed: int = 0,
    width: str | float = "neurips",
) -> StudyFile:
    """Return a study of all analyses; all checkpoints are of one group, whatever their backbones.

    Args:
        checkpoints: ``PATH`` or ``NAME=PATH``; the same NAME again adds a training run.
        loading: How they are read.
        data: Which images.
        candidate: Name of the variant that the claims are about; None takes the one with HOGA.
        boxes: File or folder with the objects' boxes.
        seed: Of everything that is drawn.
        width: Of the figures.

    Raises:
        OptionError: If there are no two variants.
    """
    refuse_equal_stems(checkpoints)
    files: dict[str, list[NamedCheckpoint]] = {}
    for text in checkpoints:
        name, path = split_named_path(text)
        files.setdefault(name, []).append(NamedCheckpoint.of(name, path, loading))
    if len(files) < 2:
        raise OptionError(f"a comparison needs at least two variants; found {', '.join(files) or 'none'}: give --ckpt.")
    return StudyFile(
        title=f"Comparison of {', '.join(files)}",
        seed=seed,
        width=width,
        candidate=candidate,
        data={
            "images": DataTable(
                source=data.data, split=data.split, limit=data.limit, skip_bad_images=data.skip_bad_images
            )
        },
        models={name: _model(runs) for name, runs in files.items()},
        analyses=[
            SelectivityTable(kind="selectivity"),
            EmbeddingTable(kind="embedding"),
            SaliencyTable(kind="saliency", boxes=None if boxes is None else str(boxes)),
            GatesTable(kind="gates"),
        ],
    )


def _model(runs: Sequence[NamedCheckpoint]) -> ModelTable:
    first = runs[0]
    return ModelTable(
        paths=[str(run.path) for run in runs],
        group="all",
        arch=first.arch,
        genotype=first.genotype,
        attention=first.attention,
        normalize=first.normalize,
        trust=first.trust,
    )
