"""methods.md and references.bib: what a paper says of how the numbers came about, and what it cites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from autola_analysis.core.text import counted, wirings_text
from autola_analysis.report.preprocessing import preprocessing_sentence
from autola_analysis.report.references import bibliography
from autola_analysis.report.section import Section


def write_methods(directory: Path, networks: str, sections: Sequence[Section]) -> None:
    """Write ``methods.md``, and ``references.bib`` with the works that it cites.

    Args:
        directory: The report.
        networks: Paragraph about the networks.
        sections: Of the page.
    """
    paragraphs = ["# Methods", networks, *(section.methods for section in sections if section.methods)]
    text = "\n\n".join(paragraphs)
    references = bibliography(text, [section.references for section in sections])
    for name, content in (("methods.md", f"{text}\n"), ("references.bib", references)):
        (directory / name).write_text(content, encoding="utf-8", errors="replace")


def _network_of(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the specification of a network, of a detector that of the network inside."""
    backbone = spec.get("backbone")
    return backbone if isinstance(backbone, Mapping) else spec


def _kinds(models: Sequence[Mapping[str, Any]], variants: int) -> str:
    """Say what tells the networks apart, as far as their specifications know it."""
    if variants == 1:
        return "one network"
    specs = [_network_of(model.get("spec") or {}) for model in models]
    parts = [
        part
        for key, part in (("attention", "attention module"), ("backbone", "backbone"))
        if len({spec.get(key) for spec in specs}) > 1
    ]
    return f"networks that differ in their {' and their '.join(parts)}" if parts else "several networks"


def networks_paragraph(
    accuracy: pd.DataFrame,
    data: str,
    versions: Mapping[str, str],
    wirings: Mapping[str, int],
    models: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Say which networks were analysed on what, and with which software.

    Args:
        accuracy: A row per network.
        data: What they were run on.
        versions: Of packages.
        wirings: Number of wirings of every variant that has several, one run each.
        models: As ``run.json`` records them: what was done to their images.
    """
    runs = accuracy.groupby("model", sort=False)["run"].nunique()
    words = {
        name: wirings_text(wirings[str(name)]) if name in wirings else counted(count, "training run")
        for name, count in runs.items()
    }
    names = ", ".join(f"{name} ({text})" for name, text in words.items())
    packages = {"autola-analysis": "autola-analysis", "torch": "PyTorch"}
    known = [f"{title} {versions[name]}" for name, title in packages.items() if name in versions]
    software = f" Numbers were computed with {' and '.join(known)}." if known else ""
    images = preprocessing_sentence(models)
    text = f"We analysed {_kinds(models, len(runs))}, {names}, on {data}."
    return f"{text}{f' {images}' if images else ''}{software}"
