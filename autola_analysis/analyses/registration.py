"""How an analysis makes itself known: names and sentences, and where its options and its code are.

A registration imports nothing heavy, so that ``--help`` stays quick.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autola_analysis.analyses.analysis import Analysis
    from autola_analysis.analyses.options import AnalysisOptions


@dataclass(frozen=True)
class Registration:
    """An analysis by name.

    Attributes:
        name: Kind in a study file, name of its section and of its tables ("selectivity").
        help: What it answers, one sentence for ``--help``.
        example: A command line that uses it.
        options: Where its options class is, ``package.module:Class``.
        analysis: Where its `Analysis` is, ``package.module:Class``.
        command: Name of its command; the name of the analysis where it is empty.
        by_default: Whether ``compare`` runs it.
        public: Names that the package offers for it -> the module that holds them.
        lists: What ``list`` shows for it: name of a list -> ``package.module:function`` that returns its lines.
    """

    name: str
    help: str
    example: str
    options: str
    analysis: str
    command: str = ""
    by_default: bool = True
    public: Mapping[str, str] = field(default_factory=dict)
    lists: Mapping[str, str] = field(default_factory=dict)

    @property
    def command_name(self) -> str:
        """Name of its command."""
        return self.command or self.name

    def options_class(self) -> type[AnalysisOptions]:
        """Import and return its options."""
        options: type[AnalysisOptions] = imported(self.options)
        return options

    def load(self) -> Analysis[Any, Any]:
        """Import its code and return it."""
        analysis: Analysis[Any, Any] = imported(self.analysis)()
        return analysis


def imported(place: str) -> Any:
    """Import ``package.module:name`` and return it."""
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
