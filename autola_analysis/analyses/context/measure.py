"""Run networks over objects with other surroundings, and set the scores beside those of the images as they are."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

import pandas as pd

from autola_analysis.analyses.alone import Model, given, measure_alone
from autola_analysis.analyses.context.altered import AlteredImages
from autola_analysis.analyses.context.assembly import Assembly
from autola_analysis.analyses.context.kinds import chosen_kinds
from autola_analysis.analyses.context.observer import ALTERED, ScoreObserver, ScoreWatcher
from autola_analysis.analyses.context.options import ContextOptions
from autola_analysis.analyses.context.plan import available, make_plan
from autola_analysis.analyses.context.result import IMAGES, ContextResult
from autola_analysis.analyses.context.scenes import Scenes
from autola_analysis.analyses.context.summary import summary_of
from autola_analysis.analyses.observation import Observation, Reading, observe
from autola_analysis.analyses.variants import Variant
from autola_analysis.core.distributed import current
from autola_analysis.core.errors import DataError
from autola_analysis.core.text import counted
from autola_analysis.data.boxes import Box, read_boxes
from autola_analysis.data.source import ImageSource, hash_of


def measure_context(
    models: Model | Sequence[Model],
    data: ImageSource,
    options: ContextOptions | None = None,
    reading: Reading | None = None,
    **values: Any,
) -> ContextResult:
    """Measure accuracy and the score of the true class on objects with other surroundings.

    Args:
        models: A loaded checkpoint or any network, or several, in the order they are to be shown; they are as before
            afterwards.
        data: Images with labels, whose objects are known by masks, by boxes, or in parts.
        options: Kinds of surroundings, width of the blur, boxes, images to show.
        reading: Device, precision, batch size, progress bar, cache.
        values: Fields of `ContextOptions`, instead of `options`.

    Raises:
        DataError: If labels are missing or not those of a head, or no object is known.
        UnknownNameError: If there is no such kind.

    References:
        Xiao et al., "Noise or Signal: The Role of Image Backgrounds in Object Recognition", ICLR 2021.
    """
    from autola_analysis.analyses.context.analysis import Context

    return measure_alone(Context(), models, data, given(ContextOptions, options, values), reading)


def boxes_of(options: ContextOptions) -> Mapping[str, Sequence[Box]]:
    """Return the boxes that the options name or hold."""
    if options.boxes is None or isinstance(options.boxes, dict):
        return options.boxes or {}
    return read_boxes(Path(options.boxes))


def context_result(
    variants: Sequence[Variant],
    source: ImageSource,
    options: ContextOptions,
    unaltered: Sequence[Observation[ScoreObserver]],
    reading: Reading,
) -> ContextResult:
    """Make the altered images, run the networks over them, and put both passes together.

    Of processes that share the run, only the first has the rows.
    """
    boxes = boxes_of(options)
    scenes = Scenes(source, boxes)
    kinds = available(scenes, chosen_kinds(options.kinds))
    plan = make_plan(scenes, kinds, options.blur, options.seed, reading.settings.quiet)
    if not plan.altered:
        raise DataError(
            f"none of {counted(len(source), 'image')} can be given other surroundings: each class needs two images "
            "with a known object; give more images."
        )
    described = hash_of(json.dumps({name: [astuple(box) for box in each] for name, each in boxes.items()}))
    altered = AlteredImages(scenes, plan.altered, options.blur, described)
    observations = observe(variants, altered, ScoreWatcher(ALTERED), reading)
    assembly = Assembly(source, scenes, plan, kinds)
    frames = []
    if current().first:
        frames = [assembly.rows(*each) for each in zip(unaltered, observations, strict=True)]
    images = pd.concat(frames, ignore_index=True) if frames else IMAGES.frame()
    settings = {
        "seed": options.seed,
        "kinds": kinds,
        "blur": options.blur,
        "images": len(plan.unaltered),
        "without_object": len(source) - len(plan.unaltered),
        "left_out": dict(plan.left_out),
        "least_contrast": plan.least_contrast,
        "exact": scenes.exact,
        "boxes": bool(boxes),
        "classes": len(source.classes),
        "arithmetic": [dict(each.arithmetic) for each in observations],
    }
    return ContextResult(
        images,
        summary_of(images, options.seed),
        assembly.pictures(altered, variants[0], options),
        settings,
        tuple(_warnings(unaltered, images, settings, options)),
    )


def _warnings(
    unaltered: Sequence[Observation[ScoreObserver]],
    images: pd.DataFrame,
    settings: Mapping[str, Any],
    options: ContextOptions,
) -> list[str]:
    warnings = [warning for each in unaltered for warning in each.warnings()]
    missing = [kind for kind in chosen_kinds(options.kinds) if kind not in settings["kinds"]]
    if missing:
        warnings.append(f"{missing[0]} is left out: the data do not say what is clutter in an image.")
    if settings["without_object"]:
        warnings.append(
            f"{counted(settings['without_object'], 'image')} without a known object, or filled by it, "
            "stay out of the analysis of context."
        )
    for kind, count in settings["left_out"].items():
        if count:
            warnings.append(
                f"{count:,} of {counted(settings['images'], 'image')} stay out of {kind}: no surroundings were found "
                f"from which the object differs by {settings['least_contrast']:.0f} grey levels, the least in the data."
            )
    return warnings
