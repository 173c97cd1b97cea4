"""The works that a paper with these analyses cites, as BibTeX.

Works that a single analysis cites are in ``references.bib`` in its folder; those of all reports are beside this file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

CITATION = re.compile(r"@([a-z]+\d{4})\b")
ENTRY = re.compile(r"^@\w+\{(\w+),.*?^\}", re.MULTILINE | re.DOTALL)
FIELD = re.compile(r"^\s*(\w+) = \{(.*)\},?$", re.MULTILINE)
TEX = re.compile(r"[{}\\]")
FILE = "references.bib"


def read_references(folder: Path) -> dict[str, str]:
    """Return the entries of ``references.bib`` in a folder by their keys."""
    text = (folder / FILE).read_text(encoding="utf-8")
    return {entry.group(1): entry.group(0) for entry in ENTRY.finditer(text)}


def references_beside(file: str) -> dict[str, str]:
    """Return the entries of ``references.bib`` beside a module, by their keys."""
    return read_references(Path(file).parent)


def citation_text(entry: str) -> str:
    """Return a BibTeX entry as a reader meets it: authors, title, where and when it appeared."""
    fields = {name.lower(): TEX.sub("", value) for name, value in FIELD.findall(entry)}
    names = [author.partition(",")[0] for author in fields["author"].split(" and ")]
    authors = " and ".join([part for part in (", ".join(names[:-1]), names[-1]) if part])
    where = fields.get("booktitle") or fields.get("journal") or fields.get("publisher") or ""
    return f"{authors}, “{fields['title']}”, {f'{where}, ' if where else ''}{fields['year']}"


def bibliography(text: str, references: Sequence[Mapping[str, str]]) -> str:
    """Return the BibTeX entries of the works that a text cites as ``[@key]``; what is no key may be anybody's name.

    Args:
        text: With citations.
        references: Entries by key, of the sections of a report.
    """
    known = references_beside(__file__)
    for entries in references:
        known |= entries
    return "".join(f"{known[key]}\n\n" for key in sorted(set(CITATION.findall(text)) & known.keys()))
