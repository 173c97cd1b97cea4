"""The saliency command's work: checkpoints and images in, a report out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.saliency.boxes import read_boxes
from autola_analysis.analyses.saliency.explain import resolve_methods
from autola_analysis.analyses.saliency.measure import SaliencyOptions, measure_saliency
from autola_analysis.analyses.saliency.result import SaliencyResult
from autola_analysis.analyses.saliency.sanity import sanity_check
from autola_analysis.analyses.variants import preprocessing_for
from autola_analysis.core.errors import OptionError
from autola_analysis.core.processes import current
from autola_analysis.data.listed import ListedImages
from autola_analysis.data.source import ImageSource
from autola_analysis.data.subset import Subset
from autola_analysis.data.subset import limit as limited
from autola_analysis.figures.saliency import SCALES, Scale
from autola_analysis.inference.accuracy import Accuracy, near_chance
from autola_analysis.report.accuracy import write_accuracy
from autola_analysis.report.anonymous import anonymous_images
from autola_analysis.report.compose import Layout, complete_report
from autola_analysis.report.saliency import write_saliency
from autola_analysis.report.sanity import write_sanity
from autola_analysis.study.facts import facts_of, measured_models, warnings_of
from autola_analysis.study.models import StudyModel, load_models
from autola_analysis.study.request import ReportRequest
from autola_analysis.study.shared import report_of_first
from autola_analysis.study.sources import source_for, title_of

SHOWN = 6


@dataclass(frozen=True)
class Explaining:
    """How images are explained, whichever command asks for it.

    Attributes:
        options: Methods, layers, target.
        boxes: File or folder with the objects' boxes.
        show: Number of images in the figure, drawn by class; of image files, the first.
        sanity: Number of images for the sanity check; 0 leaves it out.
        seed: Of the images that are drawn.
    """

    options: SaliencyOptions = field(default_factory=SaliencyOptions)
    boxes: Path | None = None
    show: int = SHOWN
    sanity: int = 0
    seed: int = 0


@dataclass(frozen=True)
class SaliencyRequest(ReportRequest):
    """One run of the saliency command.

    Attributes:
        images: Image files or folders, instead of a source.
        explaining: Methods, layers, target, boxes, how many images are shown and checked.
        scale: What maps are divided by in the figure.
    """

    images: Sequence[Path] = ()
    explaining: Explaining = field(default_factory=Explaining)
    scale: Scale = "own"


def saliency_report(request: SaliencyRequest) -> SaliencyResult:
    """Explain images with some checkpoints and write a report.

    Raises:
        AutolaError: If anything about checkpoints, images, options or the output directory is not as it should be;
            nothing is written then.
    """
    _check(request)
    models = load_models(request.checkpoints, request.loading)
    source, left_out = images_of(models, request)
    with report_of_first(request.out, request.overwrite) as directory:
        result, sanity = explain_images(models, source, request.explaining, request.reading)
        result = replace(result, warnings=tuple(warnings_of(models, left_out, result.warnings)))
        if request.anonymous:
            result = anonymous_images(result)
        write_saliency(directory, result)
        write_accuracy(directory, measured_models(models, source, accuracies_of(models, result)))
        sections: dict[str, dict[str, Any]] = {"saliency": {"scale": request.scale}}
        if sanity is not None:
            write_sanity(directory, sanity)
            sections["sanity"] = {}
        facts = {
            "analysis": "saliency",
            **facts_of(models, source, left_out, request.data.hash_contents),
            "settings": {**result.settings, "scale": request.scale, "sanity_images": request.explaining.sanity},
            "seeds": {"limit": request.data.seed, "bootstrap": request.explaining.options.seed},
        }
        title = "image files" if request.images else title_of(source)
        layout = Layout("Saliency", title, request.width, sections)
        complete_report(directory, layout, facts, result.warnings, request.anonymous)
    return result


def explain_images(
    models: Sequence[StudyModel], source: ImageSource, explaining: Explaining, reading: Reading
) -> tuple[SaliencyResult, pd.DataFrame | None]:
    """Explain the images of a source, and check the methods with random weights where that was asked for.

    Of processes that share the run only the first returns: the maps are the last that they make together.

    Returns:
        The result, whose warnings also say which network is no better than chance; and the rows of the sanity checks.
    """
    options = replace(
        explaining.options,
        shown=_sample(source, explaining.show, explaining.seed),
        boxes=read_boxes(explaining.boxes) if explaining.boxes else explaining.options.boxes,
    )
    result = measure_saliency([model.variant for model in models], source, options, reading)
    current().leave_to_first()
    sanity = _sanity(models, source, explaining, result) if explaining.sanity else None
    guessing = _near_chance(models, accuracies_of(models, result), source)
    return replace(result, warnings=(*result.warnings, *guessing)), sanity


def _check(request: SaliencyRequest) -> None:
    """Refuse what can be refused before any work."""
    request.check()
    explaining = request.explaining
    resolve_methods(explaining.options.methods)
    if request.scale not in SCALES:
        raise OptionError(f"--scale is {' or '.join(SCALES)}; found {request.scale!r}.")
    if request.images and request.data.data:
        raise OptionError("give --images or --data, not both.")
    if explaining.show < 1 or explaining.sanity < 0:
        raise OptionError(
            f"--show needs at least 1 image, --sanity 0 or more; found {explaining.show}, {explaining.sanity}."
        )


def images_of(models: Sequence[StudyModel], request: SaliencyRequest) -> tuple[ImageSource, tuple[str, ...]]:
    """Open the images of a request: files where there are any, else a source."""
    if not request.images:
        return source_for(models, request.data)
    source: ImageSource = ListedImages(request.images)
    if request.data.limit is not None and request.data.limit < len(source):
        source = Subset(source, range(request.data.limit))
    return source, ()


def _sample(source: ImageSource, count: int, seed: int) -> list[int]:
    """Return the numbers of some images: drawn by class, or the first where there are no classes."""
    if len(source) <= count:
        return list(range(len(source)))
    if not len(source.classes):
        return list(range(count))
    sample = limited(source, count, seed)
    assert isinstance(sample, Subset)
    return [int(index) for index in sample.indices]


def _sanity(
    models: Sequence[StudyModel], source: ImageSource, explaining: Explaining, result: SaliencyResult
) -> pd.DataFrame:
    """Check every network on a sample of the images, with the targets of the analysis."""
    numbers, options = _sample(source, explaining.sanity, explaining.seed), explaining.options
    explained = result.images.dropna(subset=["target"]).drop_duplicates("image").set_index("image")["target"]
    targets = [int(explained[source.ids[index]]) for index in numbers]
    tables = []
    for model in models:
        preprocessing = preprocessing_for(model.variant, source)
        assert preprocessing is not None
        images = torch.stack([preprocessing.geometry(source.image(index)) for index in numbers])
        checked = sanity_check(
            replace(model.variant, preprocessing=preprocessing),
            images,
            options.methods,
            options.layers,
            targets,
            seed=options.seed,
            guide_gates=options.guide_gates,
        )
        table = checked.table
        table.insert(1, "run", model.variant.run)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def accuracies_of(models: Sequence[StudyModel], result: SaliencyResult) -> list[Accuracy]:
    """Return the accuracy of each network on the images explained; not measured where the labels are not the head's."""
    found = []
    for model in models:
        images = result.images
        rows = images[(images["model"] == model.variant.name) & (images["run"] == model.variant.run)]
        rows = rows.drop_duplicates("image")
        comparable = bool(rows["label"].notna().all())
        top1 = float((rows["label"] == rows["predicted"]).mean()) if comparable else None
        found.append(Accuracy(len(rows), top1, None))
    return found


def _near_chance(models: Sequence[StudyModel], accuracies: Sequence[Accuracy], source: ImageSource) -> list[str]:
    return [
        f"{model.variant.title}: top-1 accuracy {accuracy.top1:.1%} is no better than chance; "
        "is the preprocessing the one of training, and are the classes in the head's order?"
        for model, accuracy in zip(models, accuracies, strict=True)
        if accuracy.top1 is not None and near_chance(accuracy, len(source.classes))
    ]
