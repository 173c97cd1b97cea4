"""Searches for HOGA's wiring: their course, what they found, how far they agree, and what went wrong."""

from autola_analysis.analyses.registration import Registration

REGISTRATION = Registration(
    name="search",
    help="What searches for HOGA's wiring found, how far they agree, and signs that one went wrong.",
    example="--searches search0,search1,search2 --ckpt search0/supernet.safetensors --data cluttered-digits",
    options=f"{__name__}.options:SearchReportOptions",
    analysis=f"{__name__}.analysis:SearchReport",
    command="search-report",
    by_default=False,  # it is about folders of searches, which a comparison of networks does not name
    public={
        "SearchReportOptions": f"{__name__}.options",
        "SearchReportResult": f"{__name__}.result",
        "plot_entropies": f"{__name__}.figure",
        "plot_ranking": f"{__name__}.figure",
    },
)
