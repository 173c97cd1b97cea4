"""What the page and a paper say of how well networks find the joints of people."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from autola_analysis.analyses.evaluate.coco_numbers import in_captions, in_methods
from autola_analysis.analyses.evaluate.found_result import runs_of
from autola_analysis.analyses.evaluate.keypoints.figure import plot_joints, plot_keypoint_precision
from autola_analysis.analyses.evaluate.keypoints.numbers import HALF, STRICT
from autola_analysis.analyses.evaluate.keypoints.result import ANNOTATED, CONTROL, KeypointResult
from autola_analysis.analyses.evaluate.keypoints.rows import rows_over_runs
from autola_analysis.core.tables import side_by_side
from autola_analysis.core.text import counted
from autola_analysis.report.references import references_beside
from autola_analysis.report.section import Section
from autola_analysis.report.sheet import Sheet
from autola_analysis.statistics.intervals import RUNS_FOR_MODULES

REFINED = (
    "the maximum of its heat map, filtered by a Gaussian as wide as DARK's configurations have it for such maps "
    "and refined by the second-order approximation of its logarithm [@zhang2020]"
)
DECODED = {
    "quarter": "the maximum of its heat map, moved by a quarter of a cell towards the larger neighbour [@xiao2018]",
    "dark": REFINED,
    "subpixel": (
        f"{REFINED}, mirrored maps being shifted back by exactly what mirroring moves them [@huang2020]; the code of "
        "the paper whose sub-pixel refinement the supplement names is not public"
    ),
}
"""What a joint is, by the way joints are read from heat maps"""
READING = (
    "People are cut out by their boxes, and the network says where the joints are. The object keypoint similarity "
    "(OKS) of two people is the mean of exp(-d²/(2 s² (2 sigma)²)) over the labelled joints, with d the distance of a "
    "joint, s the root of the person's area and sigma how precisely the joint can be placed. ap is COCO's average "
    "precision over the OKS 0.50 to 0.95; ar is the recall. A single joint is found where its own OKS is at least "
    f"{HALF}, and precisely where it is at least {STRICT}; its error is the distance from its label, in pixels of the "
    f"stored images. In brackets are 95% intervals over images, from {RUNS_FOR_MODULES} training runs of a variant on "
    "over runs and images together.",
    f"{CONTROL!r} puts every joint at its mean place in the boxes of the evaluated people: it knows nothing but the "
    "box, and a network that is not better has learned nothing beyond it.",
)
READING_GIVEN = (
    "Boxes come from a detector, whose score a person's score is multiplied by; a box of nobody counts as a person who "
    "is not there. Single joints are those of people who have a box of their own, with an IoU of at least a half.",
)
LIMITS = (
    "Boxes are the annotated ones, so that AP is not comparable with that of boxes from a detector, and people without "
    "a labelled joint are not looked for.",
)


def keypoint_section(results: Sequence[KeypointResult], sheet: Sheet) -> Section:
    """Draw ``figures/keypoint_precision.*`` and ``joints.*``; return the section.

    Args:
        results: In the order they are shown.
        sheet: What to draw on.
    """
    about, several = _about(results, sheet.data), in_captions(results)
    figures = {
        **sheet.draw(
            "keypoint_precision",
            plot_keypoint_precision(results, sheet.width),
            f"COCO's keypoint metrics of {about}, with 95% intervals over images{several}. {_how(results)}",
        ),
        **sheet.draw(
            "joints",
            plot_joints(results, sheet.width),
            f"Joints that are found, and their mean error, of {about}, with 95% intervals over images{several}. A "
            f"joint is found where its own OKS is at least {HALF}. {_how(results)}",
        ),
    }
    over_runs = [
        [rows.replace({"run": {"": "all"}}) for rows in tables] for tables in zip(*rows_over_runs(results), strict=True)
    ] or [[], []]
    metrics = pd.concat([*(each.metrics for each in results), *over_runs[0]], ignore_index=True)
    joints = pd.concat([*(each.per_joint for each in results), *over_runs[1]], ignore_index=True)
    strict, errors = (
        joints.drop(columns=["ci_low", "ci_high"]).rename(
            columns={f"{kind}_ci_low": "ci_low", f"{kind}_ci_high": "ci_high"}
        )
        for kind in ("strict", "error")
    )
    tables = {
        "Average precision and recall of people": side_by_side(metrics, ["model", "run"], "metric", "value"),
        "Share of joints that are found": side_by_side(joints, ["model", "run"], "joint", "within_oks50"),
        "Share of joints that are found precisely": side_by_side(strict, ["model", "run"], "joint", "within_oks90"),
        "Mean error of joints in pixels": side_by_side(errors, ["model", "run"], "joint", "mean_error_px"),
    }
    return Section(
        "evaluate",
        "How well the networks find joints",
        figures=figures,
        tables=tables,
        methods=_methods(results),
        references=references_beside(__file__),
        reading=READING if _annotated(results) else (*READING, *READING_GIVEN),
        limits=LIMITS if _annotated(results) else (),
    )


def _annotated(results: Sequence[KeypointResult]) -> bool:
    """Return whether people are cut out by annotated boxes."""
    return bool(results[0].settings["boxes"] == ANNOTATED)


def _about(results: Sequence[KeypointResult], data: str) -> str:
    settings = results[0].settings
    people, joints = f"{settings['people']:,} people", counted(settings["joints"], "labelled joint")
    names = ", ".join(runs_of(results))
    return f"{names} on {counted(settings['images'], 'image')} with {people} and {joints} ({data})"


def _how(results: Sequence[KeypointResult]) -> str:
    settings = results[0].settings
    mirrored = "averaged with those of mirrored crops" if settings["flip_test"] else "of the crops as they are"
    return f"Joints are read from heat maps {mirrored} by the way {settings['decode_joints']!r}."


def _methods(results: Sequence[KeypointResult]) -> str:
    settings = results[0].settings
    height, width = settings["crop"]
    box = "the annotated box" if _annotated(results) else "a box that a detector found"
    text = (
        f"Keypoints were evaluated on {settings['people']:,} people in "
        f"{counted(settings['images'], 'image')} by COCO's metrics [@lin2014]. Every person was cut out by {box}, "
        f"widened to the shape of the network's input ({height} x {width} pixels) with a margin of a quarter "
        "[@xiao2018]"
    )
    if settings["flip_test"]:
        text += "; heat maps were averaged with those of the mirrored crop"
    suppressed = (
        f"The scores of people decayed by exp(-OKS²/{settings['suppression']}) with surer people in the image "
        "[@bodla2017]"
        if settings["soft_nms"]
        else f"Of people in one image whose OKS exceeds {settings['suppression']}, the surest was kept"
    )
    text += (
        f". A joint is {DECODED[settings['decode_joints']]}. {suppressed}. Metrics were computed again with "
        f"the images drawn again {settings['draws']} times [@efron1993], the same draws for all networks; "
    )
    return text + in_methods(results)
