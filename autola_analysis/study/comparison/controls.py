"""Which controls a study holds: what else than its module could make the candidate differ from the other variants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from autola_analysis.backbones import ModelSpec
from autola_analysis.core.columns import Column, text
from autola_analysis.core.errors import OptionError
from autola_analysis.core.tables import Table
from autola_analysis.statistics.intervals import RUNS_FOR_MODULES
from autola_analysis.study.networks import Network

PARAMETERS_WITHIN = 0.02
"""Relative difference up to which numbers of parameters are equal. Widths are whole numbers, which may be coarser."""
ACCURACY_WITHIN = 0.01
"""Difference up to which accuracies are equal, a share."""
CONTROLS_TABLE = Table(
    "controls",
    (
        text("model", "the candidate"),
        text("control", "what is the same, or is drawn at random"),
        Column("held", "flag", "whether the study holds it"),
        text("what", "which variants hold it, or what is lacking"),
    ),
)


@dataclass(frozen=True)
class ControlledNetwork:
    """What controls are about, of one training run.

    Attributes:
        name: Of its variant.
        spec: What it is; None where that is not known.
        parameters: Number of parameters.
        macs: Multiply-adds of one image.
        accuracy: Top-1, a share; None where it was not measured.
        classifies: Whether it is a classifier: detectors have no accuracy, and are trained in one size.
    """

    name: str
    spec: ModelSpec | None
    parameters: int
    macs: int
    accuracy: float | None = None
    classifies: bool = True


@dataclass(frozen=True)
class Control:
    """A control of a study.

    Attributes:
        name: What is the same, or is drawn at random.
        held: Whether the study holds it.
        what: Which variants hold it, or what is lacking.
    """

    name: str
    held: bool
    what: str


def controls_of(candidate: str, networks: Sequence[ControlledNetwork]) -> list[Control]:
    """Return the controls for the module of a candidate, held or lacking.

    Wirings count only for a candidate that has one, parameters only for a candidate with an attention module, accuracy
    only for classifiers.

    Args:
        candidate: Name of the variant whose module is in question.
        networks: All training runs of it and of the variants that it is compared with.
    """
    ours = _Variant([each for each in networks if each.name == candidate])
    others: dict[str, list[ControlledNetwork]] = {}
    for each in networks:
        if each.name != candidate:
            others.setdefault(each.name, []).append(each)
    variants = [_Variant(runs) for runs in others.values()]
    controls = [_random_wirings(ours, variants)] if ours.wirings else []
    if ours.attentions - {"none"}:
        controls.append(_equal_parameters(ours, variants))
    return [*controls, *([_equal_accuracy(ours, variants)] if ours.runs[0].classifies else [])]


def controls_frame(comparison: pd.DataFrame, networks: Sequence[Network]) -> pd.DataFrame:
    """Return the rows of ``tables/controls.csv``: the controls of every candidate among what it is compared with.

    Args:
        comparison: Rows of ``comparison.csv``.
        networks: Of the study.
    """
    rows = []
    for candidate, compared in comparison.groupby("model", sort=False):
        names = {candidate, *compared["against"]}
        controls = controls_of(
            str(candidate), [_controlled(each) for each in networks if each.model.variant.name in names]
        )
        rows += [[candidate, each.name, each.held, each.what] for each in controls]
    return CONTROLS_TABLE.frame(rows)


def lacking(controls: pd.DataFrame) -> list[str]:
    """Return a sentence for every control that a study lacks, from the rows of `controls_frame`."""
    missing = controls[~controls["held"].astype(bool)]
    return [f"A control is lacking for {row.model}, {row.control}: {row.what}." for row in missing.itertuples()]


def _controlled(network: Network) -> ControlledNetwork:
    variant = network.model.variant
    classifies = not (variant.finds_objects or variant.finds_joints)
    return ControlledNetwork(
        variant.name, variant.spec, network.cost.parameters, network.cost.macs, network.accuracy.top1, classifies
    )


@dataclass(frozen=True)
class _Variant:
    runs: Sequence[ControlledNetwork]
    name: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.runs[0].name)

    @property
    def wirings(self) -> set[object]:
        return {each.spec.wiring for each in self.runs if each.spec is not None and each.spec.wiring is not None}

    @property
    def attentions(self) -> set[str]:
        return {each.spec.attention for each in self.runs if each.spec is not None}

    @property
    def parameters(self) -> float:
        return float(np.mean([each.parameters for each in self.runs]))

    @property
    def macs(self) -> float:
        return float(np.mean([each.macs for each in self.runs]))

    @property
    def accuracy(self) -> float | None:
        measured = [each.accuracy for each in self.runs if each.accuracy is not None]
        return float(np.mean(measured)) if len(measured) == len(self.runs) else None


def _random_wirings(ours: _Variant, others: Sequence[_Variant]) -> Control:
    found = set[object]().union(*(each.wirings for each in others)) - ours.wirings
    number = f"{len(found)} other wiring{'s' if len(found) != 1 else ''} of HOGA"
    if len(found) >= RUNS_FOR_MODULES:
        names = ", ".join(each.name for each in others if each.wirings - ours.wirings)
        return Control("random wirings", True, f"{number} ({names})")
    return Control(
        "random wirings", False, f"{number if found else 'no other wiring of HOGA'}; a population has "
        f"{RUNS_FOR_MODULES} or more, trained with --attention hoga-random --attention-option genotype_seed=N",
    )  # fmt: skip


def _equal_parameters(ours: _Variant, others: Sequence[_Variant]) -> Control:
    wanted = round(ours.parameters)
    plain = [each for each in others if each.attentions == {"none"}]
    equal = [each for each in plain if _as_many(each, wanted)]
    if equal:
        return Control("equal parameters", True, "; ".join(_size(each, ours) for each in equal))
    nearest = min(plain, key=lambda each: abs(each.parameters - wanted), default=None)
    there = f" ({_size(nearest, ours)})" if nearest else ""
    width, advice = "", ""
    if ours.runs[0].classifies:
        width, advice = ", or the nearest width", f"; train one with --match-parameters {wanted}"
    return Control(
        "equal parameters", False, f"no variant without the module has as many parameters (within "
        f"{PARAMETERS_WITHIN:.0%}{width}) as {ours.name}, {wanted:,}{there}{advice}",
    )  # fmt: skip


def _as_many(plain: _Variant, wanted: int) -> bool:
    """Return whether a variant has a number of parameters, or as nearly as a whole width allows."""
    if abs(plain.parameters - wanted) <= PARAMETERS_WITHIN * wanted:
        return True
    first = plain.runs[0]
    spec = first.spec if first.classifies else None  # that of a detector is its backbone's
    try:
        return spec is not None and spec.matched(wanted).parameters == plain.parameters
    except OptionError:  # its narrowest network has more
        return False


def _size(variant: _Variant, ours: _Variant) -> str:
    parameters, macs = variant.parameters / ours.parameters - 1, variant.macs / ours.macs - 1
    return f"{variant.name}: parameters {parameters:+.1%}, multiply-adds {macs:+.1%}"


def _equal_accuracy(ours: _Variant, others: Sequence[_Variant]) -> Control:
    name, within = "equal accuracy", f"within {100 * ACCURACY_WITHIN:g} point"
    measured = [each for each in others if each.accuracy is not None]
    if ours.accuracy is None or not measured:
        return Control(name, False, "accuracy was not measured")
    differences = {each.name: (each.accuracy or 0.0) - ours.accuracy for each in measured}
    points = {other: f"{other} {100 * difference:+.2f}" for other, difference in differences.items()}
    # A difference of exactly one point may come out as 0.0100000000000000009.
    equal = [points[other] for other, difference in differences.items() if abs(difference) <= ACCURACY_WITHIN + 1e-9]
    unequal = [text for text in points.values() if text not in equal]
    if equal:
        rest = f"; further away: {', '.join(unequal)}" if unequal else ""
        return Control(name, True, f"{within} of {ours.name}: {', '.join(equal)}{rest}")
    return Control(
        name, False, f"no variant is {within} of {ours.name} ({', '.join(unequal)}); train with --keep-at-accuracy "
        "and compare the checkpoints that are kept",
    )  # fmt: skip
