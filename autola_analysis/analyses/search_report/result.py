"""What several searches have found, as tables and arrays: a row of every table says which search it is of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
import pandas as pd

from autola_analysis.analyses.search_report.rank import RANKING, SUMMARY, ranking_summary
from autola_analysis.core.columns import count, number, text
from autola_analysis.core.results import Arrays, Format, SavedResult, Stored
from autola_analysis.core.tables import Table
from autola_analysis.search.agreement import AGREEMENT_TABLE, compare_searches
from autola_analysis.search.result import EDGES_TABLE, EPOCHS_TABLE, GAPS_TABLE, SearchResult

SEARCH = text("search", "name of its folder")
SEARCHES = Table(
    "searches",
    (
        SEARCH,
        text("recipe"),
        text("backbone"),
        count("order"),
        count("seed"),
        count("epochs"),
        count("decided", "edges whose margin is twice its standard deviation or more"),
        count("skips", "edges on which skip_connect was chosen"),
        number("entropy", "of the edges' weights over that of uniform ones, mean over edges, at the end"),
        number("none_weight", "weight of none, mean over edges, at the end"),
        number("hours", "of all epochs"),
        text("wiring", "operations by edge: node, then source"),
    ),
)
EPOCHS = Table("search_epochs", (SEARCH, *EPOCHS_TABLE.columns))
EDGES = Table("search_edges", (SEARCH, *EDGES_TABLE.columns), latex=True, not_printed=("runner_up", "none_weight"))
GAPS = Table("search_gaps", (SEARCH, *GAPS_TABLE.columns), latex=True)
COURSES = "search_courses"
FORMAT = Format("search", (SEARCHES, EPOCHS, EDGES, GAPS, AGREEMENT_TABLE, RANKING, SUMMARY), (COURSES,))


@dataclass(frozen=True, repr=False)
class SearchReportResult(SavedResult):
    """Several searches side by side.

    Attributes:
        names: Of the searches.
        searches: What each of them found.
        ranking: A row per search and network that was ranked, columns of `RANKING`.
    """

    FORMAT = FORMAT

    names: tuple[str, ...]
    searches: tuple[SearchResult, ...]
    ranking: pd.DataFrame = field(default_factory=RANKING.frame)

    @cached_property
    def summary(self) -> pd.DataFrame:
        """A row per search, columns of `SEARCHES`."""
        rows = [_summary(name, search) for name, search in zip(self.names, self.searches, strict=True)]
        return SEARCHES.frame(rows)

    @cached_property
    def agreement(self) -> pd.DataFrame:
        """A row per pair of searches, and per search with the released wiring; see `compare_searches`."""
        return compare_searches(self.searches, self.names) if self.searches else AGREEMENT_TABLE.frame()

    @cached_property
    def ranking_summary(self) -> pd.DataFrame:
        """A row per search that ranked networks, columns of `SUMMARY`."""
        return ranking_summary(self.ranking)

    @property
    def edges(self) -> pd.DataFrame:
        """A row per search and edge, columns of `EDGES`."""
        return self._together(EDGES, [search.edges for search in self.searches])

    def stored(self) -> Stored:
        """Return the result as tables and arrays."""
        tables = {
            SEARCHES.name: self.summary,
            EPOCHS.name: self._together(EPOCHS, [search.epochs for search in self.searches]),
            EDGES.name: self.edges,
            GAPS.name: self._together(GAPS, [search.gaps for search in self.searches]),
            AGREEMENT_TABLE.name: self.agreement,
        }
        if len(self.ranking):
            tables |= {RANKING.name: self.ranking, SUMMARY.name: self.ranking_summary}
        about = [
            {
                "name": name,
                "operations": list(search.operations),
                "settings": dict(search.settings),
                "warnings": list(search.warnings),
            }
            for name, search in zip(self.names, self.searches, strict=True)
        ]
        alphas = {f"alphas_{number}": search.alphas for number, search in enumerate(self.searches, start=1)}
        return Stored(tables, {COURSES: Arrays(alphas, {"searches": about})})

    @classmethod
    def restored(cls, stored: Stored) -> Self:
        """Return the result of its tables and arrays."""
        course = stored.arrays[COURSES]
        names = tuple(str(each["name"]) for each in course.about["searches"])
        searches = tuple(
            SearchResult(
                course.values[f"alphas_{number}"],
                tuple(each["operations"]),
                _of(stored.tables[EPOCHS.name], name, EPOCHS_TABLE),
                _of(stored.tables[GAPS.name], name, GAPS_TABLE),
                each["settings"],
                tuple(each["warnings"]),
            )
            for number, (name, each) in enumerate(zip(names, course.about["searches"], strict=True), start=1)
        )
        return cls(names, searches, stored.tables.get(RANKING.name, RANKING.frame()))

    def _together(self, table: Table, frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
        named = [frame.assign(search=name)[table.names] for name, frame in zip(self.names, frames, strict=True)]
        return pd.concat(named, ignore_index=True) if named else table.frame()


def _summary(name: str, search: SearchResult) -> list[Any]:
    settings, edges = search.settings, search.edges
    return [
        name,
        settings["name"],
        settings["backbone"],
        settings["order"],
        settings["seed"],
        len(search.epochs),
        int(edges["decided"].sum()),
        int((edges["operation"] == "skip_connect").sum()),
        float(edges["entropy"].mean()),
        float(edges["none_weight"].mean()),
        float(np.nansum(search.epochs["seconds"])) / 3600,
        ", ".join(edges["operation"]),
    ]


def _of(frame: pd.DataFrame, name: str, table: Table) -> pd.DataFrame:
    return frame[frame["search"] == name][table.names].reset_index(drop=True)
