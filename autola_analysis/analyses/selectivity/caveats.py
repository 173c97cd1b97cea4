"""Sentences that belong beside the numbers: too few images, unbalanced classes, a bias that matters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from autola_analysis.analyses.object_items import FEWEST, IMAGES
from autola_analysis.analyses.selectivity.chance import below_chance
from autola_analysis.analyses.selectivity.jackknife import FOLDS_FOR_INTERVAL
from autola_analysis.analyses.selectivity.labelings import Labelings
from autola_analysis.analyses.selectivity.result import SelectivityResult
from autola_analysis.core.text import counted

FEW = 20
"""Of classes of fewer images, or objects, the correction cannot be trusted to take the bias off."""
BALANCED = 0.5
"""Classes are unbalanced where the smallest has less than this share of the images of the largest."""
BIAS, RELATIVE_BIAS = 0.005, 0.02
"""A correction is worth a sentence where it exceeds either."""


def item_caveats(
    per_class: Mapping[str, int], items: str = IMAGES, left_out: Mapping[str, int] | None = None
) -> list[str]:
    """Return what is to be said of the numbers of images, objects or joints.

    Args:
        per_class: Items of every class that are looked at.
        items: Images, objects or joints.
        left_out: Items of every class that is left out though it has some.
    """
    caveats, item = [], items.removesuffix("s")
    missing = [name for name, count in per_class.items() if count == 0 and name not in (left_out or {})]
    if missing:
        caveats.append(f"{len(missing)} of {len(per_class)} classes have no {item} and are left out: {_named(missing)}")
    if left_out:
        fewest = [f"{name} with {count}" for name, count in sorted(left_out.items(), key=lambda each: -each[1])]
        caveats.append(
            f"{counted(len(left_out), 'class')} of fewer than {FEWEST} {items}, or of {items} in one image alone, are "
            f"left out: {_named(fewest)}"
        )
    present = {name: count for name, count in per_class.items() if count}
    smallest, largest = min(present, key=present.__getitem__), max(present, key=present.__getitem__)
    few = sum(count < FEW for count in present.values())
    if few:
        caveats.append(
            f"{few} of {len(present):,} classes have fewer than {FEW} {items} ({smallest} has "
            f"{present[smallest]}): class means of so few are noisy, class selectivity is biased upward, and the "
            "correction takes off only a part of it."
        )
    if present[smallest] < BALANCED * present[largest]:
        caveats.append(
            f"classes are unbalanced: {smallest} has {counted(present[smallest], item)}, {largest} "
            f"{present[largest]:,}; the mean of a small class is noisier, so that units prefer it by chance more often."
        )
    return caveats


def _named(names: Sequence[str]) -> str:
    return f"{', '.join(names[:5])}{', ...' if len(names) > 5 else '.'}"


def fold_caveats(labelings: Labelings) -> list[str]:
    """Return what is to be said where there is no chance level, no correction or no interval."""
    if labelings.labels is None:
        return [
            "no chance level, no corrected mean and no interval: the labels are not known before the pass "
            "(a loader with shuffle=False over a data set with `targets` has them)."
        ]
    if labelings.folds is None and labelings.folds_asked_for > 1:
        alone = "a class with a single image" if labelings.items == IMAGES else "a class of so few images"
        return [f"no corrected mean and no interval: {alone} cannot be left out of a fold."]
    if labelings.folds is None:
        return ["no corrected mean and no interval: they are made of folds of images, and none were asked for."]
    if labelings.num_folds < FOLDS_FOR_INTERVAL:
        return [
            f"no interval: it needs {FOLDS_FOR_INTERVAL} folds of images, found {labelings.num_folds} "
            "(a class with fewer images than folds, or --folds)."
        ]
    return []


def bias_caveats(results: Sequence[SelectivityResult]) -> list[str]:
    """Return what is to be said of the bias: a sentence per kind, with all layers and where it is largest."""
    return [*_biased(results), *_hidden(results)]


def _biased(results: Sequence[SelectivityResult]) -> list[str]:
    """Say in which layers of how many networks the plain mean is not to be used."""
    found: dict[str, list[tuple[float, str]]] = {}
    for result in results:
        for row in result.summary.to_dict("records"):
            layer, plain, corrected = str(row["layer"]), float(row["mean"]), float(row["mean_corrected"])
            correction = abs(plain - corrected)  # NaN, without folds, is never larger
            if correction > BIAS or correction > RELATIVE_BIAS * plain:
                words = f"{plain:.4f}, corrected {corrected:.4f}, in {layer} of {result.title}"
                found.setdefault(layer, []).append((correction, words))
    if not found:
        return []
    networks = counted(len(results), "network")
    layers = ", ".join(f"{layer} ({len(of_layer)} of {networks})" for layer, of_layer in found.items())
    _, most = max(each for of_layer in found.values() for each in of_layer)
    return [
        f"noise of the class means biases the plain mean class selectivity by more than {100 * RELATIVE_BIAS:g}% or "
        f"{BIAS:g} in {layers}; most: {most}. Intervals and comparisons are about the corrected mean."
    ]


def _hidden(results: Sequence[SelectivityResult]) -> list[str]:
    """Say of which variants, in which layers, class selectivity may be noise alone."""
    found = below_chance(results)
    if not found:
        return []
    variants: dict[str, list[str]] = {}
    for model, layer in found:
        variants.setdefault(layer, []).append(model)
    where = "; ".join(f"{layer} in {', '.join(models)}" for layer, models in variants.items())
    (model, layer), (chance, corrected) = max(found.items(), key=lambda each: each[1][0] - each[1][1])
    runs = " (means over the runs of a variant)" if len(results) > len({result.model for result in results}) else ""
    return [
        f"noise of the class means hides the class selectivity of {where}; most: {chance:.4f} by chance, "
        f"{corrected:.4f} corrected, in {layer} of {model}{runs}. What the correction leaves may be bias, in intervals "
        "and comparisons too; give more images."
    ]
