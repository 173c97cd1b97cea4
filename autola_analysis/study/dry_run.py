"""What a study would do, and about how long it would take, from a probe batch."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch

from autola_analysis.analyses.analysis import Step
from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.variants import grouped_by_geometry, preprocessing_for
from autola_analysis.core.text import counted
from autola_analysis.data.source import Source
from autola_analysis.inference.copies import runnable
from autola_analysis.inference.precision import fitting
from autola_analysis.study.models import StudyModel
from autola_analysis.study.passes import images_of_pass
from autola_analysis.study.plan import Plan, PlannedAnalysis

PROBE_IMAGES = 8


def steps_of(plan: Plan, reading: Reading) -> list[Step]:
    """Return the steps of a plan with estimated times; each network runs on a few images for that."""
    known: dict[tuple[int, int], float] = {}

    def seconds(models: Sequence[StudyModel], source: Source) -> float:
        """Return the seconds that an image takes through all of the networks."""
        total = 0.0
        for model in models:
            key = (id(model), id(source))
            if key not in known:
                known[key] = _seconds(model, source, reading)
            total += known[key]
        return total

    steps = []
    for data in plan.data.values():
        watching = [
            planned
            for planned in plan.analyses
            if planned.data is data and planned.analysis.watch(planned.options, planned.subject)
        ]
        if watching:
            steps.append(
                _reading(plan, watching, data.title, data.source, seconds(_models(plan, watching), data.source))
            )
    for planned in plan.analyses:
        steps += planned.analysis.steps(planned.options, planned.subject, seconds(planned.models, planned.source))
    return steps


def _models(plan: Plan, watching: Sequence[PlannedAnalysis]) -> list[StudyModel]:
    return [model for model in plan.models if any(model in planned.models for planned in watching)]


def _reading(plan: Plan, watching: Sequence[PlannedAnalysis], title: str, source: Source, seconds: float) -> Step:
    models = _models(plan, watching)
    readings = len(grouped_by_geometry([model.variant for model in models], source))
    images = len(images_of_pass(source, [planned.source for planned in watching]))
    names = ", ".join(planned.name for planned in watching)
    what = f"{counted(readings, 'reading')} of {images:,} images of {title}, through {counted(len(models), 'network')}"
    return Step(f"{what}, for {names}", seconds * images)


def _seconds(model: StudyModel, source: Source, reading: Reading) -> float:
    """Return the seconds that an image takes through a network, decoding included."""
    preprocessing = preprocessing_for(model.variant, source)
    assert preprocessing is not None
    start = time.perf_counter()
    numbers = range(min(PROBE_IMAGES, len(source)))
    images = [preprocessing.geometry(source.image(index)) for index in numbers]
    if model.variant.finds_joints:  # a crop of a person stands for every image
        images = [torch.zeros(3, *model.variant.crop_size)] * len(numbers)
    alike = len({image.shape for image in images}) == 1  # networks that take any size get images by themselves
    batches = [torch.stack(images)] if alike else [image[None] for image in images]
    with torch.inference_mode(), runnable(model.variant.model, reading.device) as ready:
        for batch in batches:
            ready.model(fitting(preprocessing.normalize(batch.to(reading.device)), ready.model))
    return (time.perf_counter() - start) / len(images)


def total(steps: Sequence[Step]) -> float:
    """Return the estimated seconds of all steps."""
    return sum(step.seconds for step in steps)
