"""Sentences that belong beside the numbers: too few images, unbalanced classes, a bias that matters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from autola_analysis.analyses.object_items import FEWEST, IMAGES
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
    """Return what is to be said of the bias, a sentence per layer and kind, with the network where it is largest.

    The jackknife takes off a bias that falls as one over the number of images. Where classes do not differ, that of the
    index falls as its root, and much of it stays: a layer whose corrected mean is below chance may have nothing else.
    """
    biased: dict[str, list[tuple[float, str]]] = {}
    drowned: dict[str, list[tuple[float, str]]] = {}
    for result in results:
        for row in result.summary.to_dict("records"):
            layer, plain, corrected = str(row["layer"]), float(row["mean"]), float(row["mean_corrected"])
            chance = float(row["null_mean"])
            correction = abs(plain - corrected)  # NaN, without folds, is never larger
            if correction > BIAS or correction > RELATIVE_BIAS * plain:
                words = f"{plain:.4f}, corrected {corrected:.4f}, in {result.title}"
                biased.setdefault(layer, []).append((correction, words))
            if chance > corrected:
                words = f"{chance:.4f} by chance, {corrected:.4f} corrected, in {result.title}"
                drowned.setdefault(layer, []).append((chance - corrected, words))
    networks = counted(len(results), "network")
    return [
        f"noise of the class means biases the plain mean class selectivity of {layer} by more than "
        f"{100 * RELATIVE_BIAS:g}% or {BIAS:g} in {len(found)} of {networks} (most: "
        f"{max(found)[1]}); intervals and comparisons are about the corrected mean."
        for layer, found in biased.items()
    ] + [
        f"noise of the class means hides the class selectivity of {layer} in {len(found)} of {networks} (most: "
        f"{max(found)[1]}): what the correction leaves may be bias, in intervals and comparisons too; give more images."
        for layer, found in drowned.items()
    ]
