"""From what each detector gave to one result: tables, pictures, warnings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from PIL import Image

from autola_analysis.analyses.saliency.explanation import STATUSES
from autola_analysis.analyses.saliency.faithfulness import SCALED, SMALLEST_RISE
from autola_analysis.analyses.saliency.items.words import panels_by_item, way_of_choosing
from autola_analysis.analyses.saliency.object_targets import FALLBACK
from autola_analysis.analyses.saliency.objects.batch import SeenObjects, shown_size
from autola_analysis.analyses.saliency.objects.question import ObjectQuestion
from autola_analysis.analyses.saliency.objects.regions import box_masks
from autola_analysis.analyses.saliency.objects.result import (
    ObjectSaliencyResult,
    detected_by_all,
    object_metric_table,
    objects_frame,
    of_networks,
)
from autola_analysis.analyses.saliency.result import Panel, Picture, curves_of
from autola_analysis.analyses.variants import Variant
from autola_analysis.core.text import counted


def assembled(
    question: ObjectQuestion, variants: Sequence[Variant], seen: Sequence[Sequence[SeenObjects]], layers: Sequence[str]
) -> ObjectSaliencyResult:
    """Return the result for some detectors, in their order; the maps that know nothing come last.

    Args:
        question: What they were asked.
        variants: The detectors.
        seen: What each gave, batch by batch.
        layers: Where methods that need a layer explained.
    """
    options, source = question.options, question.source
    rows = [row for batches in seen for each in batches for row in each.rows]
    rows += [row for each in seen[0] for row in each.chance]
    frame = objects_frame(rows)
    settings = {
        "target": question.target,
        "methods": question.methods,
        "layers": list(layers),
        "threshold": options.threshold,
        "most": options.most,
        "score": options.score,
        "guide_gates": options.guide_gates,
        "faithfulness": options.faithfulness,
        "images": len(source),
        "objects": sum(len(each.classes) for each in question.asked.values()),
        "shown": way_of_choosing(options, len(question.shown), len(source)),
        "seed": options.seed,
        "precision": "float32",
        "networks": [[each.name, each.run] for each in variants],
    }
    metrics = object_metric_table(frame, options.seed)
    panels = panels_by_item([panel for batches in seen for each in batches for panel in each.panels])
    pictures = [_picture(question, *place, own) for place, own in panels.items()]
    warnings = tuple(_warnings(question, variants, seen, frame))
    return ObjectSaliencyResult(frame, metrics, pictures, settings, warnings, curves_of(rows))


def unscaled_warnings(title: str, objects: pd.DataFrame) -> list[str]:
    """Return how many objects of a network have no scaled area; that depends on the object, not on the map."""
    return [
        f"{title}: {missing:,} of {counted(len(objects), 'object')} have no {metric}, because IoU times probability "
        f"rises by less than {SMALLEST_RISE} from the {start} image to the full one."
        for metric, start in zip(SCALED, ("blurred", "emptied"), strict=True)
        if (missing := int(objects[metric].isna().sum()))
    ]


def _picture(question: ObjectQuestion, index: int, place: int, panels: list[Panel]) -> Picture:
    source, asked = question.source, question.asked[index]
    width, height = shown_size(source.sizes[index])
    pixels = np.asarray(source.image(index).resize((width, height), Image.Resampling.BILINEAR))
    name, number = question.classes.names[int(asked.classes[place])], int(asked.numbers[place])
    mask = None
    if number >= 0:
        stored = source.object_mask(index, number)
        box = source.objects(index).boxes[number] * np.tile([width, height] / source.sizes[index], 2)
        mask = box_masks(box[None], height, width)[0]
        if stored is not None:
            mask = np.asarray(Image.fromarray(stored.astype(np.uint8) * 255).resize((width, height))) >= 128
    return Picture(source.ids[index], pixels, mask, name if number >= 0 else "", name, panels)


def _warnings(
    question: ObjectQuestion, variants: Sequence[Variant], seen: Sequence[Sequence[SeenObjects]], frame: pd.DataFrame
) -> list[str]:
    """Return what belongs beside the numbers."""
    warnings: list[str] = []
    first, threshold = variants[0].title, question.options.threshold
    empty = [index for index, asked in question.asked.items() if not len(asked.classes)]
    if question.target == "detection" and empty:
        strongest = max((value for each in seen[0] for _, value in each.strongest), default=0.0)
        of_all = len(empty) == len(question.source)
        where = "any image" if of_all else f"{len(empty):,} of {counted(len(question.source), 'image')}"
        sentence = f"{first} detects nothing with a probability above {threshold:g} in {where}"
        found = f"the strongest detection has {strongest:.2f}; give --threshold less" if strongest else "nor less"
        warnings.append(f"{sentence} ({found})." if of_all else f"{sentence}.")
    elif empty:
        warnings.append(f"{len(empty):,} of {counted(len(question.source), 'image')} have no annotated object.")
    maps = of_networks(frame)
    if len({each.name for each in variants}) > 1 and len(maps) and detected_by_all(maps).empty:
        warnings.append("no object is detected by every network, so that their maps are not compared.")
    for (model, run, method), rows in maps.groupby(["model", "run", "method"], sort=False):
        counts = rows["status"].value_counts()
        title = next(each.title for each in variants if (each.name, each.run) == (model, run))
        for bad in STATUSES[1:]:
            if bad in counts:
                warnings.append(f"{title}: {counts[bad]} of {len(rows)} maps of {method} are {bad}.")
    once = maps.drop_duplicates(["model", "run", "image", "object"])
    if question.options.faithfulness:
        for (model, run), rows in once.groupby(["model", "run"], sort=False):
            title = next(each.title for each in variants if (each.name, each.run) == (model, run))
            warnings += unscaled_warnings(title, rows)
    if question.target == "object":
        for (model, run), rows in once.groupby(["model", "run"], sort=False):
            missed = int((rows["assigned"] == FALLBACK).sum())
            if missed:
                title = next(each.title for each in variants if (each.name, each.run) == (model, run))
                warnings.append(
                    f"{title}: {missed:,} of {counted(len(rows), 'object')} have no candidate with an IoU of 0.5; the "
                    "nearest stands for them."
                )
    return warnings
