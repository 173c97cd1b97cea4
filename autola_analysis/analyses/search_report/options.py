"""What the analysis of searches can be asked."""

from __future__ import annotations

from autola_analysis.analyses.options import AnalysisOptions, FilePaths, option


class SearchReportOptions(AnalysisOptions):
    """Which searches are looked at."""

    searches: FilePaths = option(
        [],
        "Folders that 'autola-analyze search' has written, or its states (DIR.search), separated by commas.",
        metavar="DIR,DIR",
    )
    rank: bool = option(
        False, "Rank the wirings of the networks, too, by their accuracy with the weights that each search has left."
    )
    searched: str | None = option(
        None,
        "Source whose training split the searches divided, for --rank. Default: that of their recipe.",
        metavar="SOURCE",
    )
    one_shot_images: int = option(2000, "Most images of either half of a search that --rank reads.", ge=10)
