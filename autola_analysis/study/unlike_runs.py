"""Which files cannot be training runs of one variant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from autola_analysis.attention import Genotype
from autola_analysis.backbones import ModelSpec
from autola_analysis.checkpoints import LoadedModel
from autola_analysis.checkpoints.detector_loading import LoadedDetector
from autola_analysis.core.errors import OptionError
from autola_analysis.detectors import DetectorSpec
from autola_analysis.study.file import DRAWS, SEARCHES, TRAININGS, Runs
from autola_analysis.study.wirings import Spec, is_drawn, number_of_wirings, wiring_of_spec


def refuse_unlike_runs(
    name: str, runs: Sequence[LoadedModel | LoadedDetector], mixed: bool = False, what: Runs = TRAININGS
) -> None:
    """Refuse files that cannot be training runs of one variant.

    Args:
        name: Of the variant.
        runs: Its files.
        mixed: Whether the variant stands for a population of wirings (``wirings = "mixed"``).
        what: What its runs are.

    Raises:
        OptionError: If two runs differ in more than their wiring, if they differ in it and are not to be mixed, or if
            some have the same wiring and others do not, though no searches have found it; if those of searches have a
            single wiring, or one that was drawn; or if those that were drawn have no wiring.
    """
    first = runs[0]
    for other in runs[1:]:
        if first.spec == other.spec:
            continue
        if first.spec is None or other.spec is None or not _differ_in_wiring_alone(first.spec, other.spec):
            raise OptionError(
                f"{first.path} and {other.path} are different networks and cannot be runs of one variant {name!r}; "
                "give each a NAME of its own."
            )
        if not mixed:
            raise OptionError(
                f"{first.path} and {other.path} have different wirings of HOGA and cannot be runs of one variant "
                f"{name!r}; give each a NAME of its own, or, where the variant stands for a population of wirings, "
                f'wirings = "mixed" in its table (--wirings {name}=mixed).'
            )
    if what == DRAWS:
        _refuse_what_has_no_wiring(name, runs)
    if what == SEARCHES:
        _refuse_what_no_searches_found(name, runs)
    else:
        _refuse_repeated_wirings(name, runs)


def _differ_in_wiring_alone(first: Spec, second: Spec) -> bool:
    return first.wiring is not None and second.wiring is not None and _unwired(first) == _unwired(second)


def _unwired(spec: Spec) -> Spec:
    if isinstance(spec, DetectorSpec):
        backbone = _unwired(spec.backbone)
        assert isinstance(backbone, ModelSpec)
        return replace(spec, backbone=backbone)
    options = {key: value for key, value in spec.attention_options.items() if not key.startswith("genotype")}
    return replace(spec, attention="", attention_options=options)


def _refuse_repeated_wirings(name: str, runs: Sequence[LoadedModel | LoadedDetector]) -> None:
    first: dict[Genotype | None, LoadedModel | LoadedDetector] = {}
    for run in runs:
        first.setdefault(wiring_of_spec(run.spec), run)
    if not 1 < len(first) < len(runs):
        return
    again = next(run for run in runs if first[wiring_of_spec(run.spec)] is not run)
    raise OptionError(
        f"{first[wiring_of_spec(again.spec)].path} and {again.path} have the same wiring, and other runs of {name!r} "
        "have others; a population of wirings has one run of each, so that its runs are independent: leave one out."
    )


def _refuse_what_no_searches_found(name: str, runs: Sequence[LoadedModel | LoadedDetector]) -> None:
    drawn = next((run for run in runs if is_drawn(run.spec)), None)
    if drawn is not None:
        raise OptionError(
            f'{drawn.path} has a wiring that was drawn at random, and the runs of {name!r} are called "searches"; '
            f"leave runs out of its table (--runs {name}=searches), or give the networks that searches found."
        )
    if number_of_wirings([run.spec for run in runs]) < 2:
        raise OptionError(
            f'the runs of {name!r} are called "searches", and all have one wiring, as trainings of what one search '
            f"found; leave runs out of its table (--runs {name}=searches), or give the networks of several searches."
        )


def _refuse_what_has_no_wiring(name: str, runs: Sequence[LoadedModel | LoadedDetector]) -> None:
    plain = next((run for run in runs if wiring_of_spec(run.spec) is None), None)
    if plain is not None:
        raise OptionError(
            f'{plain.path} has no wiring of HOGA that is known, and the runs of {name!r} are called "draws"; leave '
            f"runs out of its table (--runs {name}=draws)."
        )
