"""What the page and a paper say of how similar networks are."""

from __future__ import annotations

import pandas as pd

from autola_analysis.analyses.similarity.baseline import NO_BASELINE
from autola_analysis.analyses.similarity.compared import ComparedLayers
from autola_analysis.analyses.similarity.figure import plot_similarity
from autola_analysis.analyses.similarity.result import SimilarityResult, compared_layers
from autola_analysis.report.references import references_beside
from autola_analysis.report.section import Section
from autola_analysis.report.sheet import Sheet
from autola_analysis.statistics.intervals import RUNS_FOR_MODULES

CKA = (
    "CKA says how alike two layers arrange the images: 1 where the features of one are those of the other turned and "
    "scaled as a whole, 0 where they have nothing in common. Two training runs of one network are not at 1 either, so "
    "a difference between modules means something only below the similarity of two runs of one module."
)
BASELINE = (
    "within is that baseline, the mean of what two runs of one variant have, over both variants. Below the baseline, "
    "where the whole interval of the difference is below 0, the modules differ more than two runs of one module do. "
    "Not below it, no difference beyond that of training again is shown. Below "
    f"{RUNS_FOR_MODULES} runs of a variant the interval is over images and speaks for these checkpoints alone (scope "
    f"checkpoints), from {RUNS_FOR_MODULES} on over runs and images together (scope modules). Each interval is a 95% "
    "interval of its own: of many, some lie below 0 by chance."
)
MISSING = (
    "A baseline is missing: {names} has a single training run here, so that nothing can be concluded from how similar "
    "it is to another variant. Give several runs of a variant under one name."
)
LIMITS = (
    "Comparing networks by CKA is our question, not the paper's. CKA says whether features differ, not in what, "
    "nor which are better; it is dominated by the directions in which features vary most, and a few images far from "
    "the others can decide it (Davari et al. 2023).",
)


def similarity_section(result: SimilarityResult, sheet: Sheet) -> Section:
    """Draw ``figures/similarity.*`` and return the section.

    Args:
        result: What was measured.
        sheet: What to draw on.
    """
    compared = compared_layers(result)
    tables: dict[str, pd.DataFrame] = {}
    if len(result.baseline):
        tables["Variants beside two runs of one variant"] = result.baseline
    if len(result.variants):
        tables["Same layer, mean over pairs of networks"] = result.variants
    return Section(
        "similarity",
        "How similar the features are",
        figures=sheet.draw("similarity", plot_similarity(result, sheet.width), similarity_caption(result, sheet.data)),
        tables=tables or {"All pairs of layers": result.layers},
        reading=similarity_reading(compared),
        limits=LIMITS,
        methods=similarity_methods(result),
        references=references_beside(__file__),
    )


def similarity_reading(compared: ComparedLayers) -> tuple[str, ...]:
    """Say how to read the numbers, and which baselines are missing."""
    if len(compared.models) < 2:
        return (CKA,)
    lone = [name for name in compared.models if compared.runs(name) < 2]
    missing = [MISSING.format(names=name) for name in lone]
    return (CKA, *([BASELINE] if len(lone) < len(compared.models) - 1 else []), *missing)


def similarity_caption(result: SimilarityResult, data: str) -> str:
    """Say what the figure shows, on how many images."""
    compared = compared_layers(result)
    first, *others = compared.models
    images = f"{result.settings['images']:,} images ({data})"
    runs = compared.runs(first)
    itself = f"of different runs of {first}" if runs > 1 else f"within the only network of {first}"
    maps = f"Linear CKA (unbiased) between all layers on {images}: {itself}"
    if not others:
        return f"{maps}."
    text = (
        f"{maps}, and of {first} and {', '.join(others)}, mean over pairs of runs. Below: the same layer of both, with "
        "its 95% interval over images"
    )
    if any(compared.runs(name) > 1 for name in (first, *others)) and runs > 1:
        text += "; grey: two runs of one of both variants, from the lowest pair to the highest, with their mean"
    return f"{text}."


def similarity_methods(result: SimilarityResult) -> str:
    """Say how similarity was measured."""
    settings = result.settings
    features = "spatially averaged features" if settings["pool"] == "mean" else "flattened feature maps"
    parts = settings["minibatches"]
    how = (
        "over all images at once"
        if parts == 1
        else f"averaged over {parts:,} random minibatches of equal size [@nguyen2021]"
    )
    text = (
        f"Similarity of layers is linear centred kernel alignment [@kornblith2019] of {features} of "
        f"{settings['images']:,} images, with the unbiased estimator of the Hilbert-Schmidt independence criterion "
        f"[@song2012] {how}."
    )
    if not len(result.baseline):
        return text
    if (result.baseline["reading"] == NO_BASELINE).all():
        return f"{text} No variant pair has two training runs of both, so that a baseline is missing."
    return (
        f"{text} The CKA of two variants was compared with the mean CKA of two training runs of one of them; the "
        "difference is a squared distance between the two variants [@gretton2012], times -1/2. "
        "Intervals over images are made of the influence of every fold of images; from three runs of both variants on, "
        "intervals of the difference are over runs and images together, by how much more alike every run is to those "
        "of the other variant than to those of its own."
    )
