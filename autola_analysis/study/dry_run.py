"""What a study would do, and about how long it would take, from a probe batch."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.variants import grouped_by_geometry, preprocessing_for
from autola_analysis.core.device import resolve_device
from autola_analysis.inference.folding import plain_copy
from autola_analysis.inference.run import Settings
from autola_analysis.study.file import EmbeddingTable, SaliencyTable
from autola_analysis.study.passes import WATCHED, embedded_images
from autola_analysis.study.plan import Plan, PlannedData, PlannedModel

PROBE_IMAGES = 8
FORWARDS_PER_METHOD = 3.0
"""A map costs a forward and a backward, which is about two forwards."""
EMBEDDING_SECONDS = 4e-3
"""Per image of an embedding, 750 iterations on one core; measured with 2,000 images."""


@dataclass(frozen=True)
class Step:
    """A part of a study.

    Attributes:
        what: In words.
        seconds: Estimated.
    """

    what: str
    seconds: float


def steps_of(plan: Plan, reading: Reading) -> list[Step]:
    """Return the steps of a plan with estimated times; each network runs on a few images for that."""
    per_image: dict[tuple[str, str, str], float] = {}
    steps = []
    for data in plan.data.values():
        tables = [table for table in plan.file.analyses if isinstance(table, WATCHED) and plan.data_of(table) is data]
        if not tables:
            continue
        keys = {each.key for table in tables for each in plan.models_of(table)}
        models = [each for each in plan.models if each.key in keys]
        readings = len(grouped_by_geometry([each.variant for each in models], data.source))
        names = ", ".join(table.kind for table in tables)
        seconds = sum(_seconds(each, data, reading, per_image) for each in models) * len(data.source)
        steps.append(
            Step(
                f"{_count(readings, 'reading')} of {len(data.source):,} images of {data.title}, through "
                f"{_count(len(models), 'network')}, for {names}",
                seconds,
            )
        )
    return [*steps, *_embedding(plan), *_saliency(plan, reading, per_image)]


def _embedding(plan: Plan) -> list[Step]:
    table = plan.table(EmbeddingTable)
    if table is None or table.method == "pca":
        return []
    images = len(embedded_images(plan.data_of(table).source, table, plan.file.seed))
    count = len({each.variant.name for each in plan.models_of(table)}) * table.seeds
    return [Step(f"{_count(count, 'embedding')} of {images:,} images", count * images * EMBEDDING_SECONDS)]


def _saliency(plan: Plan, reading: Reading, per_image: dict[tuple[str, str, str], float]) -> list[Step]:
    table = plan.table(SaliencyTable)
    if table is None or table.images is not None:
        return []
    data, models = plan.data_of(table), plan.models_of(table)
    images = min(len(data.source), table.limit or len(data.source))
    forward = sum(_seconds(each, data, reading, per_image) for each in models)
    seconds = forward * images * FORWARDS_PER_METHOD * len(table.methods)
    what = f"{', '.join(table.methods)} of {images:,} images, through {_count(len(models), 'network')}"
    return [Step(what, seconds)]


def _seconds(
    model: PlannedModel, data: PlannedData, reading: Reading, known: dict[tuple[str, str, str], float]
) -> float:
    """Return the seconds that an image takes through a network, decoding included."""
    key = (data.key, model.variant.name, model.variant.run)
    if key not in known:
        preprocessing = preprocessing_for(model.variant, data.source)
        assert preprocessing is not None
        device = resolve_device((reading.settings or Settings()).device)
        network = plain_copy(model.variant.model, device)
        start = time.perf_counter()
        numbers = range(min(PROBE_IMAGES, len(data.source)))
        images = torch.stack([preprocessing.geometry(data.source.image(index)) for index in numbers])
        with torch.inference_mode():
            network(preprocessing.normalize(images.to(device)))
        known[key] = (time.perf_counter() - start) / len(images)
    return known[key]


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("s" if number != 1 else "")


def total(steps: Sequence[Step]) -> float:
    """Return the estimated seconds of all steps."""
    return sum(step.seconds for step in steps)
