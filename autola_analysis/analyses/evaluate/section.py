"""What the page and a paper say of how well networks classify."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from autola_analysis.analyses.evaluate.figure import SHOWN_CLASSES, plot_class_accuracy, plot_confusion, shown_classes
from autola_analysis.analyses.evaluate.quality import BINS
from autola_analysis.analyses.evaluate.result import EvaluationResult
from autola_analysis.analyses.evaluate.rows import class_accuracies, measured_runs, rows_over_runs
from autola_analysis.core.tables import side_by_side
from autola_analysis.report.references import references_beside
from autola_analysis.report.section import Section
from autola_analysis.report.sheet import Sheet
from autola_analysis.statistics.intervals import RUNS_FOR_MODULES

CONFUSIONS = 5
READING = (
    "top1 and top5 are the shares of images whose label has the highest logit, or one of the five highest. nll is the "
    "mean negative log likelihood of the label, in nats: a wrong prediction costs more the surer it was. ece is the "
    f"expected calibration error over {BINS} bins: how far confidence is from accuracy on average, 0 for a network "
    "that is right in 70% of the cases in which it is 70% sure. In brackets are 95% intervals: of one network over "
    f"images, of all runs of a variant, from {RUNS_FOR_MODULES} on, over runs and images together. The accuracy of a "
    "class is its recall; precision is in the table evaluation_classes.",
)
LIMITS = (
    "The expected calibration error depends on the bins and is too large on few images, where chance alone moves bins "
    "off the diagonal; its interval takes the side of each bin as given.",
)
NOT_MEASURED = "The labels of the data are not those of the head, so that accuracy was not measured."


def evaluation_section(results: Sequence[EvaluationResult], sheet: Sheet) -> Section:
    """Draw ``figures/class_accuracy.*`` and ``figures/confusion.*`` and return the section.

    Args:
        results: In the order they are shown.
        sheet: What to draw on.
    """
    figures: dict[str, str] = {}
    tables = {"Accuracy and calibration": metrics_side_by_side(results)}
    measured = [result for result in results if result.measured]
    if measured:
        caption = class_accuracy_caption(measured, sheet.data)
        figures |= sheet.draw("class_accuracy", plot_class_accuracy(measured, sheet.width), caption)
        if len(measured[0].classes) <= SHOWN_CLASSES:
            caption = confusion_caption(measured, sheet.data)
            figures |= sheet.draw("confusion", plot_confusion(measured, sheet.width), caption)
        tables["Top-1 accuracy by class"] = classes_side_by_side(measured)
        tables["Most frequent confusions"] = most_frequent_confusions(measured, CONFUSIONS)
    return Section(
        "evaluate",
        "How well the networks classify",
        figures=figures,
        tables=tables,
        methods=evaluation_methods(measured),
        references=references_beside(__file__),
        reading=READING if measured else (NOT_MEASURED,),
        limits=LIMITS if measured else (),
    )


def metrics_side_by_side(results: Sequence[EvaluationResult]) -> pd.DataFrame:
    """Return a row per network, and per variant over its runs, and a column per measure."""
    over_runs = {str(rows["model"].iloc[0]): rows.replace({"run": {"": "all"}}) for rows, _ in rows_over_runs(results)}
    frames = []
    for name in dict.fromkeys(result.model for result in results):
        frames += [result.metrics for result in results if result.model == name]
        frames += [over_runs[name]] if name in over_runs else []
    return side_by_side(pd.concat(frames, ignore_index=True), ["model", "run"], "metric", "value")


def classes_side_by_side(results: Sequence[EvaluationResult]) -> pd.DataFrame:
    """Return a row per class that is drawn and a column per variant, over the variant's runs."""
    shown = shown_classes(results)
    runs = measured_runs(results)
    names = next(iter(runs.values()))[0].classes
    rows = [
        {"class": names[label], "model": name, **accuracies[label]._asdict()}
        for name, accuracies in class_accuracies(results, shown).items()
        for label in shown
    ]
    return side_by_side(pd.DataFrame(rows), ["class"], "model", "value")


def most_frequent_confusions(results: Sequence[EvaluationResult], count: int) -> pd.DataFrame:
    """Return the pairs of label and prediction that are most frequent among the errors of every variant.

    Args:
        results: One per network.
        count: Pairs per variant; of equally frequent ones, those that come first.
    """
    rows = []
    for name, runs in measured_runs(results).items():
        classes = runs[0].classes
        confusion = np.sum([run.confusion for run in runs], axis=0)
        errors = confusion * (1 - np.eye(len(classes), dtype=np.int64))
        for cell in np.argsort(-errors, axis=None, kind="stable")[:count]:
            label, predicted = divmod(int(cell), len(classes))
            if errors[label, predicted]:
                rows.append(
                    {
                        "model": name,
                        "runs": len(runs),
                        "label": classes[label],
                        "predicted": classes[predicted],
                        "images": int(errors[label, predicted]),
                        "share of the label's images": errors[label, predicted] / confusion[label].sum(),
                    }
                )
    return pd.DataFrame(rows, columns=["model", "runs", "label", "predicted", "images", "share of the label's images"])


def class_accuracy_caption(results: Sequence[EvaluationResult], data: str) -> str:
    """Say what the figure of accuracy per class shows."""
    runs = measured_runs(results)
    classes = len(results[0].classes)
    images = len(results[0].predictions.labels)
    shown = len(shown_classes(results))
    chosen = f"{shown} of {classes:,} classes"
    if classes > SHOWN_CLASSES:
        chosen += ", those that differ most between variants" if len(runs) > 1 else ", the least accurate"
    else:
        chosen = f"{shown} classes"
    several = (
        f" Dots are means over the runs of a variant; from {RUNS_FOR_MODULES} runs on, intervals are over runs and "
        "images together."
        if any(len(of_variant) > 1 for of_variant in runs.values())
        else ""
    )
    return (
        f"Top-1 accuracy of {chosen} for {', '.join(runs)}, on {images:,} images in all ({data}), with 95% intervals."
        f"{several}"
    )


def confusion_caption(results: Sequence[EvaluationResult], data: str) -> str:
    """Say what the confusion matrices show."""
    runs = measured_runs(results)
    several = any(len(of_variant) > 1 for of_variant in runs.values())
    first = " (first training run of each)" if several else ""
    return (
        f"Confusion matrices of {', '.join(runs)}{first}, on {len(results[0].predictions.labels):,} images ({data}): "
        "labels in rows, predictions in columns. Colour is the share of the label's images, for errors alone, on one "
        "scale; numbers, where there is room, are per cent."
    )


def evaluation_methods(results: Sequence[EvaluationResult]) -> str:
    """Say how the networks were evaluated; nothing where no accuracy was measured."""
    if not results:
        return ""
    runs = measured_runs(results)
    text = (
        f"Classification was evaluated on {len(results[0].predictions.labels):,} images of "
        f"{len(set(results[0].predictions.labels.tolist())):,} classes: accuracy, the mean negative log likelihood of "
        f"the label, and the expected calibration error over {BINS} bins of equal width [@guo2017]. Intervals are 95% "
        "intervals: of the accuracy of one network, Wilson's score intervals over images [@wilson1927]; of likelihood "
        "and calibration, percentile bootstraps over images [@efron1993]"
    )
    if any(len(of_variant) >= RUNS_FOR_MODULES for of_variant in runs.values()):
        text += (
            "; of the runs of a variant together, by components of variance over runs and images, those of accuracies "
            "not narrower than Wilson's over the predictions of all runs"
        )
    return text + "."
