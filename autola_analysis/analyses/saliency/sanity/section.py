"""What the page and a paper say of the sanity check."""

from __future__ import annotations

from autola_analysis.analyses.saliency.methods import title_of
from autola_analysis.analyses.saliency.sanity.figure import plot_sanity
from autola_analysis.analyses.saliency.sanity.result import OTHER_RUNS, SanityResult
from autola_analysis.analyses.saliency.section import GUIDED
from autola_analysis.core.text import counted
from autola_analysis.report.references import references_beside
from autola_analysis.report.section import Section
from autola_analysis.report.sheet import Sheet
from autola_analysis.statistics.intervals import RUNS_FOR_MODULES

READING = (
    "A method that explains what the network has learned gives other maps when the weights are random. Read a curve "
    "against the two lines. Maps of different images by the same trained network correlate too, because objects lie "
    "in the middle and because a method has habits: a curve that falls to that line has nothing left that belongs to "
    "the image. Maps of the same images by another training run show how alike maps are that explain the same thing. "
    "Intervals are 95%: of the curves over draws of random weights and images together from three draws on, so that "
    "they speak about this trained network, any random weights and any images; of other images by a jackknife.",
    GUIDED,
)


OF_OBJECTS = (
    "A map that is zero where the candidate does not look, as ODAM's is, keeps a high correlation under any weights by "
    "that place alone, which stays: maps of other images lie elsewhere and are no line to read it against. Read the "
    "curves of maps that cover the image, and the column support of saliency_objects.csv beside the others."
)


def sanity_section(result: SanityResult, sheet: Sheet) -> Section:
    """Draw ``figures/sanity.*`` and return the section.

    Args:
        result: Of one or several networks.
        sheet: What to draw on.
    """
    return Section(
        "sanity",
        "Do the maps depend on what was learned?",
        figures=sheet.draw("sanity", plot_sanity(result, sheet.width), sanity_caption(result, sheet.data)),
        tables={"Random weights": result.table, "Baselines": result.baselines},
        methods=sanity_methods(result),
        references=references_beside(__file__),
        reading=[*READING, *([OF_OBJECTS] if _of_objects(result) else [])],
    )


def sanity_caption(result: SanityResult, data: str) -> str:
    """Say what the figure shows, on how many draws and images, and how many maps say nothing."""
    shown = "the first run of each variant" if _has_other_runs(result) else "each variant"
    parts = [
        f"Sanity check of {shown}: Spearman's rank correlation of the maps with those of the trained network while its "
        f"weights are drawn anew from the head down, mean over {_extent(result)} ({data}); bands are 95% intervals "
        f"{_scope(result)}.",
        "Dashed: maps of different images by the trained network, mean over all pairs.",
    ]
    if _has_other_runs(result):
        parts.append("Dotted: maps of the same images by the variant's other training runs.")
    if _of_objects(result):
        parts.append("The candidate that stands for an object and the region that it is read from stay the same.")
    parts.append(f"Left out, because a map is zero, constant or not finite: {_undefined(result)}.")
    return " ".join(parts)


def sanity_methods(result: SanityResult) -> str:
    """Say how maps were checked against random weights."""
    text = (
        "As a sanity check [@adebayo2018] the weights were drawn anew part by part from the head down; we report "
        f"Spearman's rank correlation of the maps with the original ones over {_extent(result)}, with 95% intervals "
        f"{_scope(result)}, beside that of the maps of different images by the same network"
    )
    if _has_other_runs(result):
        text += " and that of the maps of the same images by other training runs of the variant"
    if _of_objects(result):
        text += "; the candidate and the region that it is read from stay the same"
    return f"{text}. Maps that are zero, constant or not finite have no rank correlation; they are counted."


def _has_other_runs(result: SanityResult) -> bool:
    return OTHER_RUNS in set(result.baselines["baseline"])


def _extent(result: SanityResult) -> str:
    draws = counted(int(result.table["draws"].max()), "draw")
    images = counted(int(result.table["images"].max()), "image")
    return f"{draws} of random weights and {images}{', an object of each' if _of_objects(result) else ''}"


def _of_objects(result: SanityResult) -> bool:
    return bool(result.settings.get("objects"))


def _scope(result: SanityResult) -> str:
    """Return what the intervals of the curves are over; see `crossed_interval`."""
    return "over draws and images" if int(result.table["draws"].max()) >= RUNS_FOR_MODULES else "over images alone"


def _undefined(result: SanityResult) -> str:
    """Return how many correlations each method lacks at each stage, summed over the networks."""
    texts = []
    for (method, layer), rows in result.table.groupby(["method", "layer"], sort=False):
        name = title_of(str(method)) + (f" at {layer}" if layer else "")
        stages = rows.groupby("randomised_to", sort=False)
        counts = [f"{stage} {missing}" for stage, of_stage in stages if (missing := int(of_stage["undefined"].sum()))]
        most = max(int((of_stage["draws"] * of_stage["images"]).sum()) for _, of_stage in stages)
        texts.append(f"{name}, {', '.join(counts)} of {most:,} maps per part" if counts else f"{name}, no map")
    return "; ".join(texts)
