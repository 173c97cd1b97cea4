"""From what each network for joints gave to one result: tables, matrices, pictures, warnings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autola_analysis.analyses.saliency.explain_joints import joint_discs, joint_radii
from autola_analysis.analyses.saliency.explanation import STATUSES
from autola_analysis.analyses.saliency.items.words import panels_by_item, way_of_choosing
from autola_analysis.analyses.saliency.joints.explained import SeenJoints
from autola_analysis.analyses.saliency.joints.localise import UNINFORMED
from autola_analysis.analyses.saliency.joints.matrix import IMAGES, matrix_frames
from autola_analysis.analyses.saliency.joints.question import JointQuestion
from autola_analysis.analyses.saliency.joints.result import (
    JointSaliencyResult,
    found_by_all,
    joint_metric_table,
    joints_frame,
    of_networks,
)
from autola_analysis.analyses.saliency.result import Panel, Picture
from autola_analysis.analyses.variants import Variant


def assembled(
    question: JointQuestion, variants: Sequence[Variant], seen: Sequence[Sequence[SeenJoints]], layers: Sequence[str]
) -> JointSaliencyResult:
    """Return the result for some networks, in their order; the maps that know nothing come last.

    Args:
        question: What they were asked.
        variants: The networks.
        seen: What each gave, batch by batch.
        layers: Where methods that need a layer explain.
    """
    options, crops = question.options, question.crops
    rows = [row for of_network in seen for each in of_network for row in each.rows]
    chance = [row for of_network in seen for each in of_network for row in each.chance]
    frame = joints_frame([*rows, *chance])
    networks = [(each.name, each.run) for each in variants]
    shares: dict[str, NDArray[Any]] = {IMAGES: crops.places[:, 0]}
    for of_network in seen:
        for name in of_network[0].shares if of_network else ():
            shares[name] = np.concatenate([each.shares[name] for each in of_network])
    matrix, differences = matrix_frames(shares, networks, question.names, options.seed)
    settings = {
        "methods": question.methods,
        "layers": list(layers),
        "target": question.target,
        "guide_gates": options.guide_gates,
        "images": len(crops.source),
        "people": len(crops),
        "joints": len(chance) // len(UNINFORMED),
        "names": list(question.names),
        "crop": list(crops.size),
        "shown": way_of_choosing(options, len(question.shown), len(crops)),
        "seed": options.seed,
        "precision": "float32",
        "networks": [list(each) for each in networks],
    }
    panels = [panel for of_network in seen for each in of_network for panel in each.panels]
    return JointSaliencyResult(
        frame,
        joint_metric_table(frame, options.seed),
        matrix,
        differences,
        shares,
        _pictures(question, panels),
        settings,
        tuple(_warnings(variants, frame)),
    )


def _pictures(question: JointQuestion, panels: Sequence[tuple[int, int, Panel]]) -> list[Picture]:
    crops, pictures = question.crops, []
    for (person, joint), own in panels_by_item(panels).items():
        radii = joint_radii(crops.objects(person).areas, question.sigmas)[0]
        disc = joint_discs(question.joints(person), radii, crops.size)[joint]
        name, pixels = question.titles[joint], np.asarray(crops.image(person))
        image = crops.source.ids[int(crops.places[person, 0])]
        pictures.append(Picture(image, pixels, disc, name, name, own))
    return pictures


def _warnings(variants: Sequence[Variant], frame: pd.DataFrame) -> list[str]:
    """Return what belongs beside the numbers."""
    warnings, maps = [], of_networks(frame)
    if len({each.name for each in variants}) > 1 and len(maps) and found_by_all(maps).empty:
        warnings.append("no joint is found by every network, so that their maps are not compared.")
    for (model, run, method), rows in maps.groupby(["model", "run", "method"], sort=False):
        counts = rows["status"].value_counts()
        title = next(each.title for each in variants if (each.name, each.run) == (model, run))
        for bad in STATUSES[1:]:
            if bad in counts:
                warnings.append(f"{title}: {counts[bad]:,} of {len(rows):,} maps of {method} are {bad}.")
    return warnings
