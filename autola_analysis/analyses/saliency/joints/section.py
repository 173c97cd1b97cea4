"""What the page and a paper say of maps of single joints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from markupsafe import Markup

from autola_analysis.analyses.saliency.figure import Scale, first_runs, plot_saliency
from autola_analysis.analyses.saliency.gallery import gallery
from autola_analysis.analyses.saliency.items.result import ALL
from autola_analysis.analyses.saliency.items.words import citation, in_turn, metric_tables
from autola_analysis.analyses.saliency.joints.figure import plot_joint_matrix
from autola_analysis.analyses.saliency.joints.localise import JOINT_METRICS, PREDICTED, UNBOUNDED
from autola_analysis.analyses.saliency.joints.result import ALL_FOUND, JointSaliencyResult
from autola_analysis.analyses.saliency.methods import title_of
from autola_analysis.analyses.saliency.objects.batch import MISSED
from autola_analysis.analyses.saliency.result import Picture
from autola_analysis.analyses.saliency.section import GUIDED, LIMITS, divided_by, runs_shown
from autola_analysis.core.tables import side_by_side
from autola_analysis.core.text import counted
from autola_analysis.report.references import read_references
from autola_analysis.report.section import Section
from autola_analysis.report.sheet import Sheet

EXPLAINED = {
    "label": "the values of the heat maps at the labelled joints",
    "predicted": "the maxima of the heat maps",
}
READING = (
    "Explained is the value of a joint's heat map at one cell: what in the person's crop the network goes by when it "
    "puts the joint there. The disc of a joint holds the pixels within which its own OKS is at least 0.5.",
    f"The metrics are {'; '.join(f'{name}: {meaning}' for name, meaning in JOINT_METRICS.items())}.",
    "Joints of an image are averaged first; intervals are over images. The variant 'chance' holds a uniform map and a "
    f"Gaussian in the middle of the crop. {PREDICTED} is flat around the joint that the network predicts: a map that "
    "is no better tells nothing beyond that place.",
    "The joint-to-joint matrix holds, for the joint of its row, how the part of the map that lies on any disc is "
    "divided among the discs; where discs overlap, both have a pixel, so that a row can add up to more than 1. Left "
    "and right look at each other where the network tells sides by comparing them.",
    "A head reads a layer through few cells, and gradients are zero elsewhere: the column support of "
    "saliency_joints.csv is the share of cells that have one.",
)
SUBSETS = {ALL: "all joints", ALL_FOUND: "joints that every network finds"}


def joint_section(result: JointSaliencyResult, sheet: Sheet) -> Section:
    """Draw ``figures/saliency_joints.*`` and ``figures/joint_matrix_METHOD.*``, and return the section.

    Args:
        result: Rows, means, matrices and pictures.
        sheet: What to draw on; its options say what maps are divided by, and how many people are shown.
    """
    scale: Scale = sheet.options.scale
    body, figures = Markup("<p>Nothing was explained.</p>"), dict[str, str]()
    if result.pictures:
        shown = _examples(result.pictures, sheet.options.show)
        caption = joint_caption(result, shown, sheet.data, scale)
        sheet.draw("saliency_joints", plot_saliency(shown, sheet.width, scale), caption)
        body = gallery(result.pictures, joint_caption(result, result.pictures, sheet.data, scale), scale)
    for method, layer in result.matrix[["method", "layer"]].drop_duplicates().itertuples(index=False, name=None):
        figures |= sheet.draw(
            _matrix_name(method, layer, len(result.settings["layers"]) > 1),
            plot_joint_matrix(result, method, layer, sheet.width),
            f"Which other joints a joint's score looks at: share of the map by {title_of(method)}"
            f"{f' at {layer}' if layer else ''} of the joint of the row that lies around the joint of the column, of "
            f"what lies around any; mean over {counted(result.settings['people'], 'crop')} ({sheet.data}). Below: the "
            "difference from the first variant.",
        )
    guided = any(name.startswith("guided") for name in result.settings["methods"])
    return Section(
        "saliency",
        "Where the networks look when they find joints",
        body=body,
        figures=figures,
        tables=_tables(result),
        methods=joint_methods(result),
        references=read_references(Path(__file__).parents[1]),
        reading=READING,
        limits=[*LIMITS, *([GUIDED] if guided else [])],
    )


def joint_caption(result: JointSaliencyResult, pictures: Sequence[Picture], data: str, scale: Scale) -> str:
    """Say what a figure of joints shows, and with which settings.

    Args:
        result: What is drawn.
        pictures: Those of the figure.
        data: What captions call the images.
        scale: What maps are divided by.
    """
    settings = result.settings
    methods = ", ".join(title_of(method) for method in settings["methods"])
    panels = first_runs(pictures[0].panels)
    variants = ", ".join(dict.fromkeys(panel.variant for panel in panels))
    remarks = {picture.remark(panel) for picture in pictures for panel in picture.panels}
    missed = f"; {MISSED!r} where its maximum lies outside the joint's disc" if remarks - {""} else ""
    parts = [
        f"Joints of people in their crops: {methods} for {variants} ({data}). Explained are "
        f"{EXPLAINED[settings['target']]}.",
        f"The people are {settings['shown']}.{runs_shown(pictures[0])}",
        f"Below each map: the joint and the maximum of its heat map{missed}.",
        "White: the disc in which the joint's own OKS is at least 0.5. Blue: where the network puts the joint.",
    ]
    if any(panel.map.ndim == 2 for panel in panels):
        parts.append(f"Each map is divided by {divided_by(scale)} and laid over the grey crop.")
    if any(panel.map.ndim == 3 for panel in panels):
        parts.append("Input gradients g are shown as 0.5 + 0.1 (g - mean(g)) / std(g), clipped to [0, 1].")
    return " ".join(parts)


def joint_methods(result: JointSaliencyResult) -> str:
    """Say how maps of joints were made and measured."""
    settings = result.settings
    methods = ", ".join(f"{title_of(name)} [@{citation(name)}]" for name in settings["methods"])
    layers = ", ".join(settings["layers"])
    height, width = settings["crop"]
    return (
        f"We explained {counted(settings['joints'], 'joint')} of {settings['people']:,} people in "
        f"{counted(settings['images'], 'image')} by {methods}{f' (layer {layers})' if layers else ''}: "
        f"{EXPLAINED[settings['target']]}, from the crops of {height} x {width} pixels as they are, not averaged with "
        "mirrored ones. Against discs around the labelled joints, in which a joint's own OKS is at least 0.5, we "
        "report the precision at the disc's area, the energy in the disc, in that of the same joint of the other side "
        "and in those of other joints, the discrimination index [@zhao2023], and the pointing game [@zhang2018], "
        "beside a map that knows nothing but the predicted joint. The joint-to-joint matrix is the mean share of a "
        "joint's map around every joint. Joints of an image are averaged first; intervals are 95% bootstrap intervals "
        "over images [@efron1993], from three training runs on over runs and images, by Student's t."
    )


def _examples(pictures: Sequence[Picture], most: int) -> list[Picture]:
    """Return the joints to show together: one of every person in turn."""
    by_crop: dict[bytes, list[Picture]] = {}
    for picture in pictures:
        by_crop.setdefault(picture.pixels.tobytes(), []).append(picture)
    return in_turn(list(by_crop.values()))[:most]


def _matrix_name(method: str, layer: str, several: bool) -> str:
    name = f"joint_matrix_{method}"
    return f"{name}_{layer.replace('.', '_')}" if several and layer else name


def _tables(result: JointSaliencyResult) -> Mapping[str, pd.DataFrame]:
    if result.metrics.empty:
        return {}
    tables = metric_tables(result.metrics, SUBSETS, UNBOUNDED)
    for (method, layer), rows in result.matrix.groupby(["method", "layer"], sort=False):
        tables[f"Joint-to-joint matrix by {title_of(str(method))}{f' at {layer}' if layer else ''}"] = side_by_side(
            rows, ["model", "joint"], "other", "energy"
        )
    return tables | {"Where the maps lie, all numbers": result.metrics}
