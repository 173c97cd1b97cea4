"""Searches as an analysis: from the folders that they wrote to what stands on the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from autola_analysis.analyses.analysis import Analysis, Lines, Observed, Step, Subject
from autola_analysis.analyses.observation import Reading, Watcher
from autola_analysis.analyses.search_report.observer import AccuracyWatcher
from autola_analysis.analyses.search_report.options import SearchReportOptions
from autola_analysis.analyses.search_report.rank import accuracy_rows, ranked, wired_networks
from autola_analysis.analyses.search_report.result import FORMAT, SearchReportResult
from autola_analysis.analyses.search_report.section import search_section
from autola_analysis.core.errors import OptionError
from autola_analysis.core.results import Stored
from autola_analysis.core.text import number_text
from autola_analysis.inference.stream import ImageData
from autola_analysis.report.section import Section
from autola_analysis.report.sheet import Sheet
from autola_analysis.search.agreement import RELEASED_NAME, choices
from autola_analysis.search.unfinished import any_search


class SearchReport(Analysis[SearchReportOptions, SearchReportResult]):
    """Courses, wirings and agreement of searches for HOGA's wiring."""

    name = "search"
    format = FORMAT

    def check_source(self, options: SearchReportOptions, source: ImageData) -> None:
        """Refuse folders that hold no search, share a name, or hold searches among different operations."""
        searches_in(options.searches)

    def check(self, options: SearchReportOptions, subject: Subject) -> None:
        """Refuse a ranking without something to rank by, or to rank.

        Raises:
            OptionError: Saying what is lacking.
        """
        wirings = [each.spec.wiring for each in subject.variants if each.spec is not None]
        if options.rank and not (options.searches and any(wiring is not None for wiring in wirings)):
            raise OptionError(
                "--rank ranks wirings of networks by searches; give --searches DIR and --ckpt of networks with HOGA."
            )

    def watch(self, options: SearchReportOptions, subject: Subject) -> Sequence[Watcher[Any]]:
        """Return what lets a pass run for the accuracy of the networks."""
        return [AccuracyWatcher()]

    def measure(
        self, options: SearchReportOptions, subject: Subject, observed: Observed, reading: Reading
    ) -> SearchReportResult:
        """Read the folders."""
        result = searches_in(options.searches)
        (observations,) = observed.by_watcher.values()
        networks = wired_networks(observations) if options.rank else []
        return replace(result, ranking=accuracy_rows(result.names, networks))

    def finish(
        self, options: SearchReportOptions, subject: Subject, result: SearchReportResult, reading: Reading
    ) -> SearchReportResult:
        """Evaluate the wirings of the networks with the weights that the searches have left."""
        searches = dict(zip(result.names, result.searches, strict=True))
        return replace(result, ranking=ranked(result.ranking, options, searches, reading.device))

    def store(self, result: SearchReportResult) -> Stored:
        """Return the result as tables and arrays."""
        return result.stored()

    def restore(self, stored: Stored) -> SearchReportResult:
        """Return the result of its tables and arrays."""
        return SearchReportResult.restored(stored)

    def sections(self, result: SearchReportResult, sheet: Sheet) -> Sequence[Section]:
        """Draw what the searches chose, how they came to it, and each one's wiring."""
        return [search_section(result, sheet)]

    def lines(self, result: SearchReportResult) -> Lines:
        """Return a line per search."""
        agreement = result.agreement
        released = agreement[agreement["against"] == RELEASED_NAME].set_index("search")["equal_edges"]
        return Lines(
            ["search", "order", "seed", "decided", "entropy", "as released"],
            [
                [
                    row["search"],
                    str(row["order"]),
                    str(row["seed"]),
                    f"{row['decided']} of 10",
                    number_text(row["entropy"]),
                    f"{released[row['search']]} of 10",
                ]
                for row in result.summary.to_dict("records")
            ],
        )

    def steps(self, options: SearchReportOptions, subject: Subject, seconds: float) -> Sequence[Step]:
        """Return the ranking, where it is asked for, with its time."""
        images = 2 * options.one_shot_images * len(options.searches)
        return [Step("ranking of wirings by searches", images * seconds)] if options.rank else []

    def warnings(self, result: SearchReportResult) -> Sequence[str]:
        """Return what the searches warned of, with their names."""
        named = zip(result.names, result.searches, strict=True)
        return [f"{name}: {sentence}" for name, search in named for sentence in search.warnings]


def searches_in(folders: Sequence[Path]) -> SearchReportResult:
    """Read searches from their folders, which give them their names.

    Raises:
        OptionError: If two folders have one name, or the searches chose from different operations.
        DataError: If a folder holds no whole search.
    """
    names = [folder.absolute().name for folder in folders]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise OptionError(f"two folders of searches are named {twice[0]}; rename one of them.")
    result = SearchReportResult(tuple(names), tuple(any_search(folder) for folder in folders))
    if folders:
        choices(result.searches)  # refuses searches among different operations
    return result
