"""Variants that stand for a population of wirings: HOGA with several genotypes, one training run each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from autola_analysis.analyses.variants import Variant
from autola_analysis.attention import Genotype
from autola_analysis.attention.genotype import RANDOM_WIRING
from autola_analysis.backbones import ModelSpec
from autola_analysis.checkpoints import LoadedModel
from autola_analysis.checkpoints.detector_loading import LoadedDetector
from autola_analysis.core.columns import MODEL, text
from autola_analysis.core.errors import OptionError
from autola_analysis.core.tables import Table
from autola_analysis.detectors import DetectorSpec

Spec = ModelSpec | DetectorSpec
WIRINGS_TABLE = Table("wirings", (*MODEL, text("genotype", "(operation, source) pairs, as JSON")), optional=True)


def refuse_unlike_runs(
    name: str, runs: Sequence[LoadedModel | LoadedDetector], mixed: bool, searched: bool = False
) -> None:
    """Refuse files that cannot be training runs of one variant.

    Args:
        name: Of the variant.
        runs: Its files.
        mixed: Whether the variant stands for a population of wirings (``wirings = "mixed"``).
        searched: Whether each is what a search of its own has found (``runs = "searches"``).

    Raises:
        OptionError: If two runs differ in more than their wiring, if they differ in it and are not to be mixed, or if
            some have the same wiring and others do not, though no searches have found it; or if those of searches have
            a single wiring, or one that was drawn.
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
    if searched:
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
    drawn = next((run for run in runs if _is_drawn(run.spec)), None)
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


def _is_drawn(spec: Spec | None) -> bool:
    backbone = spec.backbone if isinstance(spec, DetectorSpec) else spec
    return isinstance(backbone, ModelSpec) and backbone.attention == RANDOM_WIRING


def random_wirings(variants: Sequence[Variant]) -> list[str]:
    """Return the names of the variants whose runs all have a wiring that was drawn at random."""
    return [name for name, specs in _specs(variants).items() if all(map(_is_drawn, specs))]


def searched_wirings(variants: Sequence[Variant]) -> list[str]:
    """Return the names of the variants whose runs all have a wiring, and none one that was drawn at random."""
    return [
        name
        for name, specs in _specs(variants).items()
        if not any(wiring_of_spec(spec) is None or _is_drawn(spec) for spec in specs)
    ]


def _specs(variants: Sequence[Variant]) -> dict[str, list[ModelSpec | None]]:
    specs: dict[str, list[ModelSpec | None]] = {}
    for variant in variants:
        specs.setdefault(variant.name, []).append(variant.spec)
    return specs


def number_of_wirings(specs: Sequence[Spec | None]) -> int:
    """Return how many wirings some networks have, in whatever order their pairs stand."""
    return len({wiring.canonical() for spec in specs if (wiring := wiring_of_spec(spec)) is not None})


def wiring_of_spec(spec: Spec | None) -> Genotype | None:
    """Return the wiring of a network; None where it has none, or is not known."""
    return None if spec is None else spec.wiring


def wirings_frame(variants: Sequence[Variant]) -> pd.DataFrame:
    """Return the rows of ``tables/wirings.csv``: the genotypes of all variants whose runs have several."""
    genotypes: dict[str, set[Genotype | None]] = {}
    for variant in variants:
        genotypes.setdefault(variant.name, set()).add(wiring_of_spec(variant.spec))
    rows = []
    for variant in variants:
        genotype = wiring_of_spec(variant.spec)
        if genotype is not None and len(genotypes[variant.name]) > 1:
            rows.append([variant.name, variant.run, json.dumps(genotype.to_pairs())])
    return WIRINGS_TABLE.frame(rows)


def numbers_of_wirings(frame: pd.DataFrame) -> dict[str, int]:
    """Return the number of wirings of every variant that has several, from the rows of `wirings_frame`."""
    return {str(name): len(rows) for name, rows in frame.groupby("model", sort=False)}


def with_wirings(frame: pd.DataFrame, wirings: Mapping[str, int]) -> pd.DataFrame:
    """Return rows of a comparison whose ``runs`` say which of them are wirings: "3 v 5 wirings".

    Args:
        frame: With the columns ``model``, ``against`` and ``runs``.
        wirings: Number of wirings of every variant that has several.
    """
    if not wirings:
        return frame
    words = []
    for model, against, runs in zip(frame["model"], frame["against"], frame["runs"], strict=True):
        ours, theirs = (
            f"{count} wirings" if name in wirings else count
            for name, count in zip((model, against), str(runs).split(" v "), strict=True)
        )
        words.append(f"{ours} v {theirs}")
    return frame.assign(runs=words)
