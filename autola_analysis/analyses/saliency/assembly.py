"""From what each network gave to one result: tables, pictures, warnings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autola_analysis.analyses.output_names import OutputNames, output_names
from autola_analysis.analyses.saliency.common_targets import labels_fit
from autola_analysis.analyses.saliency.faithfulness import unscaled_warnings
from autola_analysis.analyses.saliency.findings import Findings
from autola_analysis.analyses.saliency.result import Picture, SaliencyResult, saliency_result
from autola_analysis.analyses.variants import Variant
from autola_analysis.data.source import ImageSource


def assembled(
    variants: Sequence[Variant],
    data: ImageSource,
    found: Sequence[Findings],
    targets: NDArray[np.int64],
    decided: Mapping[str, Any],
    seed: int,
) -> SaliencyResult:
    """Return the result for some networks, in their order; the maps that know nothing come last.

    Args:
        variants: The networks.
        data: The images.
        found: What each network gave.
        targets: Class that is explained, per image.
        decided: Options that decided the maps.
        seed: Of the bootstrap.
    """
    rows = [row for each in found for row in each.rows] + found[0].chance
    facts = {
        "target": found[0].targets_are,
        "layers": found[0].about.get("layers", []),
        **decided,
        "networks": {variant.title: dict(each.about) for variant, each in zip(variants, found, strict=True)},
    }
    return saliency_result(
        rows, _pictures(variants, data, found, targets), _warnings(variants, data, found), facts, seed
    )


def _names(variant: Variant, data: ImageSource, found: Findings) -> OutputNames:
    outputs = int(found.about["outputs"])
    return output_names(variant, data.class_names, outputs, labels_fit(variant, data, outputs))


def _pictures(
    variants: Sequence[Variant], data: ImageSource, found: Sequence[Findings], targets: NDArray[np.int64]
) -> list[Picture]:
    pictures: dict[int, Picture] = {}
    for index, panel in (pair for each in found for pair in each.panels):
        if index not in pictures:
            assert panel.pixels is not None
            names = _names(variants[0], data, found[0])
            label = int(data.labels[index])
            pictures[index] = Picture(
                image=data.ids[index],
                pixels=panel.pixels,
                mask=panel.mask,
                label=data.class_names[label] if label >= 0 else "",
                target=names.names[int(targets[index])],
                panels=[],
            )
        pictures[index].panels.append(panel)
    return list(pictures.values())


def _warnings(variants: Sequence[Variant], data: ImageSource, found: Sequence[Findings]) -> list[str]:
    """Return what belongs beside the numbers."""
    warnings: list[str] = []
    for variant, findings in zip(variants, found, strict=True):
        for method in dict.fromkeys(row["method"] for row in findings.rows):
            statuses = [row["status"] for row in findings.rows if row["method"] == method]
            for bad in ("non-finite", "zero", "constant"):
                if count := statuses.count(bad):
                    warnings.append(f"{variant.title}: {count} of {len(statuses)} maps of {method} are {bad}.")
        warnings += [f"{variant.title}: {sentence}" for sentence in findings.about.get("left_out", ())]
        warnings += unscaled_warnings(variant.title, findings.rows)
        if about := findings.about.get("about_output"):
            warnings.append(f"{variant.title}: {about}")
        if findings.about and (misfit := _names(variant, data, findings).misfit):
            warnings.append(misfit)
        ordinary = findings.about.get("ordinary_activations", ())
        others = [name for name in ordinary if name not in ("sigmoid", "tanh")]
        if others:
            warnings.append(f"{variant.title}: not guided, their gradient is the plain one: {', '.join(others)}.")
    if not any(np.isfinite(row["energy"]) for each in found for row in [*each.rows, *each.chance]):
        warnings.append("no image has a mask or a box, so that nothing says where the objects are (give --boxes).")
    return warnings
