"""What a page names in a line each: the paper, the attention modules of its networks, its data."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autola_analysis import attention
from autola_analysis.attention.genotype import RELEASED, Genotype
from autola_analysis.attention.registry import ATTENTIONS
from autola_analysis.data.open import SOURCES
from autola_analysis.data.open_objects import OBJECT_SOURCES
from autola_analysis.report import references
from autola_analysis.report.record import recorded_data
from autola_analysis.report.references import citation_text, read_references

PAPER = "ma2020"
CITED = {
    "hoga": PAPER,
    "se": "hu2018",
    "cbam": "woo2018",
    "eca": "wang2020",
    "coordinate": "hou2021",
    "simam": "yang2021",
    "triplet": "misra2021",
    "global-context": "cao2019",
}
"""The papers of attention modules, as keys of ``report/references.bib``."""


def named_lines(record: Mapping[str, Any]) -> dict[str, str]:
    """Return what a reader should know of the names on a page, by name.

    Args:
        record: What ``run.json`` says.
    """
    entries = read_references(Path(str(references.__file__)).parent)
    lines = {"the paper": citation_text(entries[PAPER])}
    variants: dict[str, list[str]] = {}
    for model in record.get("models", []):
        spec = model["spec"] or {}
        network = spec["backbone"] if "kind" in spec else spec
        kind = str(network.get("attention"))
        if kind in ATTENTIONS:
            names = variants.setdefault(_cited(kind, network.get("attention_options") or {}, entries), [])
            names += [model["model"]] if model["model"] not in names else []
    lines |= {", ".join(names): described for described, names in variants.items()}
    for data in recorded_data(record):
        name = str(data["name"])
        kind = name.partition(":")[0]
        if kind in SOURCES or kind in OBJECT_SOURCES:
            opener = SOURCES.get(kind) if kind in SOURCES else OBJECT_SOURCES.get(kind)
            lines[name] = _first_line(opener.__doc__).rpartition(": ")[0]
    return {name: line for name, line in lines.items() if line}


def _cited(kind: str, options: Mapping[str, Any], entries: Mapping[str, str]) -> str:
    """Return what an attention of networks is, and where it was published."""
    if kind not in CITED:
        return _described(kind)
    if CITED[kind] != PAPER:
        return f"{_described(kind)} ({citation_text(entries[CITED[kind]])})"
    wiring = Genotype.from_pairs(options["genotype"]) if "genotype" in options else RELEASED
    other = "" if wiring.canonical() == RELEASED.canonical() else ", in another wiring"
    return f"{_described(kind)} (of the paper{other})"


def _described(kind: str) -> str:
    """Return the first line of the module that defines an attention of this package; nothing for one of a user's.

    One that a library makes is called by its name there: drawing a page again does not need the library.
    """
    if kind not in ATTENTIONS.names():
        library, _, name = kind.partition(":")
        return f"the attention {name} of {library}"
    factory = ATTENTIONS.get(kind)
    if not factory.__module__.startswith(f"{attention.__name__}."):
        return ""
    described = factory if kind == "none" else sys.modules[factory.__module__]
    return _first_line(described.__doc__).rstrip(".")


def _first_line(text: str | None) -> str:
    return (text or "").partition("\n")[0]
