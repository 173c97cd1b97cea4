"""Which variant is compared with all others."""

from __future__ import annotations

from collections.abc import Sequence

from autola_analysis.analyses.variants import Variant
from autola_analysis.attention.genotype import RANDOM_WIRING
from autola_analysis.backbones import ModelSpec
from autola_analysis.core.errors import OptionError, UnknownNameError


def candidate_of(variants: Sequence[Variant], name: str | None = None) -> str:
    """Return the name of the variant that is compared with all others.

    Args:
        variants: In the order given; training runs of one variant share its name.
        name: Of the variant; None takes the one with HOGA of a single wiring, else the one with several that were not
            drawn at random (those are controls), else the one with a kind of HOGA, else the last.

    Raises:
        UnknownNameError: If no variant has the name.
        OptionError: If there are fewer than two variants, or several have HOGA.
    """
    names = list(dict.fromkeys(variant.name for variant in variants))
    if name is not None and name not in names:
        raise UnknownNameError(f"no variant is named {name!r} to be the candidate; names: {', '.join(names)}.")
    if len(names) < 2:
        raise OptionError(f"a comparison needs at least two variants; found {', '.join(names) or 'none'}.")
    if name is not None:
        return name
    found = _with_hoga(variants)
    if len(found) > 1:
        raise OptionError(
            f"{', '.join(found)} all have HOGA; say with --candidate which one is compared with the rest."
        )
    return found[0] if found else names[-1]


def claims_are_about(variants: Sequence[Variant], name: str | None = None) -> bool:
    """Return whether the paper's claims, which are about HOGA, are about the candidate of `candidate_of`.

    They are where a variant has HOGA, and where the user has named the candidate.
    """
    return name is not None or bool(_with_hoga(variants))


def _with_hoga(variants: Sequence[Variant]) -> list[str]:
    """Return the names of the variants with HOGA, of the most exact kind that there is."""
    specs: dict[str, list[ModelSpec]] = {}
    for variant in variants:
        if variant.spec is not None and variant.spec.attention.startswith("hoga"):
            specs.setdefault(variant.name, []).append(variant.spec)
    kinds = {name: {spec.attention for spec in runs} for name, runs in specs.items()}
    searched = [name for name in specs if RANDOM_WIRING not in kinds[name]]
    exact = [name for name in searched if kinds[name] == {"hoga"} and len({spec.wiring for spec in specs[name]}) == 1]
    return exact or searched or list(specs)
