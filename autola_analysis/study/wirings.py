"""Variants that stand for a population of wirings: HOGA with several genotypes, one training run each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pandas as pd

from autola_analysis.analyses.variants import Variant
from autola_analysis.attention import Genotype
from autola_analysis.attention.genotype import RANDOM_WIRING
from autola_analysis.backbones import ModelSpec
from autola_analysis.core.columns import MODEL, text
from autola_analysis.core.tables import Table
from autola_analysis.detectors import DetectorSpec

Spec = ModelSpec | DetectorSpec
WIRINGS_TABLE = Table("wirings", (*MODEL, text("genotype", "(operation, source) pairs, as JSON")), optional=True)


def is_drawn(spec: Spec | None) -> bool:
    """Return whether a network says that its wiring was drawn at random."""
    backbone = spec.backbone if isinstance(spec, DetectorSpec) else spec
    return isinstance(backbone, ModelSpec) and backbone.attention == RANDOM_WIRING


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


def runs_text(runs: str) -> str:
    """Return what a row of `with_wirings` calls its runs.

    Example:
        >>> runs_text("3 v 5"), runs_text("3 v 5 wirings")
        ('3 v 5 runs', '3 v 5 wirings')
    """
    return runs if "wirings" in runs else f"{runs} runs"
