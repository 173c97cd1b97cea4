"""What the page and a paper say of searches."""

from __future__ import annotations

import numpy as np
import pandas as pd

from autola_analysis.analyses.search_report.figure import plot_entropies, plot_ranking
from autola_analysis.analyses.search_report.result import GAPS, SearchReportResult
from autola_analysis.attention.genotype import EDGES
from autola_analysis.core.text import counted, interval_text, number_text
from autola_analysis.report.references import references_beside
from autola_analysis.report.section import Section
from autola_analysis.report.sheet import Sheet
from autola_analysis.search.agreement import RELEASED_NAME, choices
from autola_analysis.search.agreement_figure import plot_agreement
from autola_analysis.search.figure import search_figures
from autola_analysis.search.ranking import FEW, chance_error

TITLE = "How HOGA's wiring was searched"
NONE = "No search was given: name the folders of searches, --searches DIR,DIR."
EDGE = (
    "An edge is decided where the weight of its strongest operation is ahead of the next by twice the standard "
    "deviation that this margin has over the last five epochs, or more. An undecided edge may well have another "
    "operation after another epoch. none is never chosen, however heavy it is."
)
AGREEMENT = (
    "Two wirings that are drawn uniformly share {expected:g} of ten edges on average; probability is that of as many "
    "equal edges or more. Where searches agree no better than chance, another seed finds another wiring: its single "
    "edges then say nothing of the data, however accurate it is."
)
ALONE = "A single search says nothing of how far searches agree: search again with other seeds."
GAP = (
    "mixture is the accuracy of the super-network with all operations weighted, inherited that of the wiring that was "
    "derived from it, with its weights and batch norms measured anew: what falls between them is lost by taking one "
    "operation per edge. Neither is the accuracy of the wiring trained alone."
)
RANKED = (
    "tau says how far a search ranks wirings as training them alone does: 1 for the same order, 0 for none in common. "
    "Its interval is a bootstrap over wirings. ceiling is what even a perfect ranking would reach on average, since "
    "two trainings of one wiring differ."
)
FEW_WIRINGS = (
    "With {wirings} wirings tau cannot be told from zero unless it is large: without any correlation its standard "
    "error is {error:.2f}."
)
NO_CEILING = "No wiring was trained twice, so that the ceiling is not known."
LIMITS = (
    "What a search found is worth its time only if it is better than wirings drawn at random and trained in the same "
    "way, which this section does not show: train both and evaluate them together (docs/search.md), which decides the "
    "claim 'searched wiring beats random wiring'.",
)


def search_section(result: SearchReportResult, sheet: Sheet) -> Section:
    """Draw the figures of searches and return the section.

    Args:
        result: The searches.
        sheet: What to draw on.
    """
    if not result.searches:
        return Section("search", TITLE, reading=(NONE,))
    figures: dict[str, str] = {}
    figures |= sheet.draw("search_agreement", plot_agreement(result.searches, sheet.width), _agreement_caption(result))
    entropies = plot_entropies(result.names, result.searches, sheet.width)
    figures |= sheet.draw("search_entropies", entropies, _entropy_caption(result))
    for number, search in enumerate(result.searches):
        drawn = search_figures(search, sheet.width)
        for kind in ("genotype", "alphas"):
            figure, caption = drawn[kind]
            figures |= sheet.draw(f"search_{kind}_{number + 1}", figure, f"{result.names[number]}. {caption}")
    if len(result.ranking):
        figures |= sheet.draw("search_ranking", plot_ranking(result.ranking, sheet.width), _ranking_caption(result))
    tables: dict[str, pd.DataFrame] = {
        "Searches": result.summary.drop(columns="wiring"),
        "Edges that searches share": result.agreement,
        "What taking one operation per edge costs": result.stored().tables[GAPS.name],
        "Edges": result.edges.drop(columns=["runner_up", "none_weight", "entropy"]),
    }
    if len(result.ranking):
        tables["Wirings ranked by searches"] = result.ranking_summary
    return Section(
        "search",
        TITLE,
        headline=headline(result),
        figures=figures,
        tables=tables,
        reading=(EDGE, _agreement_reading(result), GAP, *_ranking_reading(result), *_signs(result)),
        limits=LIMITS,
        methods=methods(result),
        references=references_beside(__file__),
    )


def headline(result: SearchReportResult) -> str:
    """Say how many edges are decided, and how far the searches agree."""
    decided, edges = int(result.summary["decided"].sum()), EDGES * len(result.names)
    firm = f"{decided} of {edges} edges are decided"
    number = counted(len(result.names), "search")
    if len(result.names) == 1:
        return f"{number} for HOGA's wiring: {firm}."
    shared = _shared(result)
    return (
        f"{number} for HOGA's wiring: {firm}; two of them share {shared.mean():.1f} of {EDGES} edges on average, where "
        f"chance gives {expected(result):g}."
    )


def expected(result: SearchReportResult) -> float:
    """Return how many edges two wirings share on average that are drawn uniformly."""
    return EDGES / len(choices(result.searches))


def _shared(result: SearchReportResult) -> pd.Series[int]:
    agreement = result.agreement
    return agreement[agreement["against"] != RELEASED_NAME]["equal_edges"]


def _agreement_reading(result: SearchReportResult) -> str:
    return AGREEMENT.format(expected=expected(result)) if len(result.names) > 1 else ALONE


def _ranking_reading(result: SearchReportResult) -> list[str]:
    """Say how to read the ranking, and where it rests on few wirings."""
    if not len(result.ranking):
        return []
    summary = result.ranking_summary
    wirings = int(summary["wirings"].min())
    few = [FEW_WIRINGS.format(wirings=wirings, error=chance_error(wirings))] if wirings < FEW else []
    return [RANKED, *few, *([NO_CEILING] if summary["ceiling"].isna().all() else [])]


def _ranking_caption(result: SearchReportResult) -> str:
    taus = ", ".join(
        f"{row['search']} {number_text(row['tau'])} {interval_text(row['ci_low'], row['ci_high'])}"
        for row in result.ranking_summary.to_dict("records")
    )
    return (
        "Top-1 accuracy of networks that were trained alone against that of their wiring with the weights that a "
        "search has left, on images that decided its architecture. Kendall's tau with its 95% interval over wirings: "
        f"{taus}."
    )


def _signs(result: SearchReportResult) -> list[str]:
    """Return what the searches warned of, or that they warned of nothing."""
    named = zip(result.names, result.searches, strict=True)
    found = [f"{name}: {sentence}" for name, search in named for sentence in search.warnings]
    return found or ["No search shows a sign of collapse, of indecision or of having ended too early."]


def _agreement_caption(result: SearchReportResult) -> str:
    return (
        f"How many of {len(result.names)} searches chose an operation (column) on an edge (row); the ring marks the "
        "choice of the released wiring. A uniform draw would spread them evenly over a row."
    )


def _entropy_caption(result: SearchReportResult) -> str:
    ends = [f"{value:.2f}" for value in (result.summary["entropy"].min(), result.summary["entropy"].max())]
    span = ends[0] if len(set(ends)) == 1 else f"{ends[0]} to {ends[1]}"
    return (
        "Left: entropy of the weights of an edge over that of uniform weights, mean over the ten edges: 1 is open, 0 "
        f"decided; at the end {span}. Right: edges on which another operation became the strongest in an epoch."
    )


def methods(result: SearchReportResult) -> str:
    """Say how wirings were searched."""
    orders = sorted({int(search.settings["order"]) for search in result.searches})
    epochs = sorted({len(search.epochs) for search in result.searches})
    backbones = sorted({str(search.settings["backbone"]) for search in result.searches})
    hours = float(np.sum(result.summary["hours"]))
    order = " and ".join("second" if each == 2 else "first" for each in orders)
    text = (
        f"Wirings of HOGA [@ma2020] were searched {len(result.names)} times by differentiable search [@liu2019] of "
        f"{order} order in {', '.join(backbones)}, for {', '.join(map(str, epochs))} epochs with different seeds, "
        f"{hours:.2g} hours in all; every search is reported [@lindauer2020]. An edge counts as decided by its margin "
        "over the last five epochs. Collapse to skip connections [@zela2020] and agreement of searches were judged "
        "against uniform draws, and searches should be judged against random wirings [@yang2020]."
    )
    if not len(result.ranking):
        return text
    return (
        f"{text} Trained networks were ranked by the accuracy of their wirings with inherited weights, batch norms "
        "measured anew [@yu2020]; the rank correlation is Kendall's tau-b with a bootstrap interval over wirings, and "
        "its ceiling follows from the variance between trainings of one wiring."
    )
