"""What the page and a paper say of how well detectors find objects."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from autola_analysis.analyses.evaluate.coco_numbers import in_captions, in_methods
from autola_analysis.analyses.evaluate.detection.figure import (
    SHOWN_CLASSES,
    plot_average_precision,
    plot_class_precision,
    plot_precision_recall,
)
from autola_analysis.analyses.evaluate.detection.result import DetectionResult
from autola_analysis.analyses.evaluate.detection.rows import class_estimates, most_different, rows_over_runs
from autola_analysis.analyses.evaluate.found_result import numbers_of, runs_of
from autola_analysis.core.tables import side_by_side
from autola_analysis.core.text import counted
from autola_analysis.report.references import references_beside
from autola_analysis.report.section import Section
from autola_analysis.report.sheet import Sheet
from autola_analysis.statistics.intervals import RUNS_FOR_MODULES

READING = (
    "A detection is right where it overlaps an object of its class, which no stronger detection has taken, by an IoU "
    "of at least a threshold. ap is COCO's average precision: precision at 101 recalls, averaged over the thresholds "
    "0.50 to 0.95 and over classes; ap50 and ap75 are at one threshold; ap_small, ap_medium and ap_large count objects "
    "of up to 32², up to 96² and above 96² pixels; ar1, ar10 and ar100 are the recall with so many detections of an "
    "image and class. Crowds are ignored. In brackets are 95% intervals over images, from "
    f"{RUNS_FOR_MODULES} training runs of a variant on over runs and images together; they are not centred on the "
    "number, which chance raises: the less, the more images there are.",
)
LIMITS = (
    "Average precision is too large on few images, and more so for classes with few objects; its interval takes off "
    "what drawing the images again adds, which is not all of it.",
)


def detection_section(results: Sequence[DetectionResult], sheet: Sheet) -> Section:
    """Draw ``figures/average_precision.*``, ``precision_recall.*`` and ``class_precision.*``; return the section.

    Args:
        results: In the order they are shown.
        sheet: What to draw on.
    """
    about = _about(results, sheet.data)
    figures = {
        **sheet.draw(
            "average_precision",
            plot_average_precision(results, sheet.width),
            f"COCO's metrics of {about}, with 95% intervals over images{in_captions(results)}. Recall is that with 1, "
            "10 and 100 detections of an image and class.",
        ),
        **sheet.draw(
            "precision_recall",
            plot_precision_recall(results, sheet.width),
            f"Precision over recall of {about}: the mean over classes of the largest precision at a recall or a higher "
            "one. Bands hold, at each recall, 95% of what other draws of the images give.",
        ),
        **sheet.draw("class_precision", plot_class_precision(results, sheet.width), _class_caption(results, about)),
    }
    tables = {
        "Average precision and recall": _metrics_side_by_side(results),
        "Average precision by class": _classes_side_by_side(results),
    }
    return Section(
        "evaluate",
        "How well the networks find objects",
        figures=figures,
        tables=tables,
        methods=_methods(results),
        references=references_beside(__file__),
        reading=READING,
        limits=LIMITS,
    )


def _about(results: Sequence[DetectionResult], data: str) -> str:
    first = results[0]
    names = ", ".join(runs_of(results))
    objects = int(first.per_class["objects"].sum())
    return f"{names} on {counted(first.settings['images'], 'image')} with {counted(objects, 'object')} ({data})"


def _class_caption(results: Sequence[DetectionResult], about: str) -> str:
    shown, classes = most_different(numbers_of(results), SHOWN_CLASSES), len(results[0].classes)
    chosen = "every class with objects"
    if len(shown) == SHOWN_CLASSES < classes:
        how = "those that differ most between variants" if len(runs_of(results)) > 1 else "the worst"
        chosen = f"{len(shown)} of {classes} classes, {how}"
    return f"Average precision of {chosen}, of {about}, with 95% intervals over images{in_captions(results)}."


def _metrics_side_by_side(results: Sequence[DetectionResult]) -> pd.DataFrame:
    """Return a row per detector, and per variant over its runs, and a column per metric."""
    over_runs = [rows.replace({"run": {"": "all"}}) for rows, _ in rows_over_runs(results)]
    frames = pd.concat([*(result.metrics for result in results), *over_runs], ignore_index=True)
    return side_by_side(frames, ["model", "run"], "metric", "value")


def _classes_side_by_side(results: Sequence[DetectionResult]) -> pd.DataFrame:
    """Return a row per class that is drawn and a column per variant, over the variant's runs."""
    numbers, classes = numbers_of(results), results[0].classes
    shown = most_different(numbers, SHOWN_CLASSES)
    objects = results[0].per_class["objects"]
    rows = [
        {"class": classes[label], "objects": objects[label], "model": name, "ap": value, "ci_low": low, "ci_high": high}
        for name, of_variant in class_estimates(numbers, shown).items()
        for label, (value, low, high) in zip(shown, of_variant, strict=True)
    ]
    return side_by_side(pd.DataFrame(rows), ["class", "objects"], "model", "ap")


def _methods(results: Sequence[DetectionResult]) -> str:
    first = results[0]
    objects, draws = int(first.per_class["objects"].sum()), int(first.settings["draws"])
    text = (
        f"Detection was evaluated on {counted(first.settings['images'], 'image')} with {counted(objects, 'object')} of "
        f"{counted(len(first.classes), 'class')} by the metrics of COCO [@lin2014]. Detections were matched once; "
        f"metrics were computed again with the images drawn again {draws} times [@efron1993], the same draws for all "
        "networks. "
    )
    return text + in_methods(results)
