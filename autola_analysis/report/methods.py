"""methods.md: what a paper says of how the numbers came about, from the recorded settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from autola_analysis.analyses.embedding.result import Embedding
from autola_analysis.analyses.gates import GateResult
from autola_analysis.analyses.saliency.result import SaliencyResult
from autola_analysis.analyses.selectivity import SelectivityResult
from autola_analysis.figures.saliency import TITLES

METHOD_KEYS = {
    "grad-cam": "selvaraju2017",
    "grad-cam++": "chattopadhay2018",
    "hires-cam": "draelos2020",
    "layer-cam": "jiang2021",
    "gradient": "simonyan2014",
    "guided-backprop": "springenberg2015",
    "guided-grad-cam": "selvaraju2017",
}
EXPLAINED = {"label": "the label of the image", "predicted": "the class that the first network predicts"}


def networks_paragraph(accuracy: pd.DataFrame, data: str, versions: Mapping[str, str]) -> str:
    """Say which networks were analysed on what, and with which software."""
    runs = accuracy.groupby("model", sort=False)["run"].nunique()
    names = ", ".join(f"{name} ({count} training run{'s' if count > 1 else ''})" for name, count in runs.items())
    packages = {"autola-analysis": "autola-analysis", "torch": "PyTorch"}
    known = [f"{title} {versions[name]}" for name, title in packages.items() if name in versions]
    software = f" Numbers were computed with {' and '.join(known)}." if known else ""
    return f"We analysed networks that differ in their attention module, {names}, on {data}.{software}"


def selectivity_paragraph(results: Sequence[SelectivityResult]) -> str:
    """Say how class selectivity was measured."""
    first = results[0]
    settings = first.settings
    layers = ", ".join(dict.fromkeys(layer for result in results for layer in result.layers))
    classes = sum(count > 0 for count in settings["images_per_class"].values())
    dead = sum(int(result.summary["dead"].sum()) for result in results)
    units = sum(int(result.summary["units"].sum()) for result in results)
    text = (
        f"The class selectivity index [@morcos2018] of the units (channels) of {layers} was measured on "
        f"{first.accuracy.images:,} images of {classes} classes. The activity of a unit is the spatial mean of its "
        f"feature map {'with negative values set to zero' if settings['rectify'] else 'after the ReLU'}; with the "
        "largest class-conditional mean activity and the mean of those of the other classes, every class weighing the "
        "same, the index is their difference divided by their sum. "
        f"Units that never fired ({dead:,} of {units:,}) were left out."
    )
    if settings["permutations"]:
        times = "one permutation" if settings["permutations"] == 1 else f"{settings['permutations']} permutations"
        text += f" The chance level is the mean index under {times} of the labels."
    if settings["folds"] >= 2:
        text += f" Intervals are 95% jackknife intervals over {settings['folds']} folds of images [@efron1993]."
    return text + " Class selectivity is neither necessary nor sufficient for performance [@leavitt2020; @gale2020]."


def saliency_paragraph(result: SaliencyResult) -> str:
    """Say how maps were made and measured."""
    settings = result.settings
    methods = ", ".join(
        TITLES.get(name, name) + (f" [@{METHOD_KEYS[name]}]" if name in METHOD_KEYS else "")
        for name in settings["methods"]
    )
    layers = ", ".join(settings["layers"] or [])
    target = EXPLAINED.get(settings["target"], f"class {settings['target']}")
    text = (
        f"We explained {settings['images']:,} images by {methods}{f' (layer {layers})' if layers else ''}; all "
        f"networks explain {target}."
    )
    if any(name.startswith("guided") for name in settings["methods"]):
        kept = "guided as all others" if settings["guide_gates"] else "left ordinary"
        text += f" ReLUs inside attention gates were {kept}."
    if len(result.metrics):
        text += (
            " Against the masks of the objects we report the share of a map that lies inside (energy), the pointing "
            "game with a tolerance of 15 pixels at a size of 224 [@zhang2018], and the intersection over union with "
            "the region above 20% of a map's maximum; maps that are zero everywhere count as misses. Intervals are 95% "
            "bootstrap intervals over images [@efron1993]; from three training runs on they are over runs and images, "
            "by Student's t."
        )
    if settings["faithfulness"]:
        text += " Insertion and deletion follow [@petsiuk2018], in 16 steps."
    return text


def sanity_paragraph(table: pd.DataFrame) -> str:
    """Say how maps were checked against random weights."""
    return (
        "As a sanity check [@adebayo2018] the weights were drawn anew part by part from the head down; we report "
        f"Spearman's rank correlation of the maps with the original ones on {int(table['images'].max())} images."
    )


def embedding_paragraph(embeddings: Sequence[Embedding]) -> str:
    """Say how features were embedded and rated."""
    first = embeddings[0]
    params = first.params
    pooled = "spatial means" if params["pool"] == "mean" else "flattened maps"
    layers = ", ".join(dict.fromkeys(each.layer for each in embeddings))
    text = (
        f"The features ({pooled} of {layers}) of {len(first.labels):,} images were rated by the leave-one-out accuracy "
        f"of the {params['quality_k']} nearest neighbours ({params['metric']} distances) and the silhouette "
        "[@rousseeuw1987], with 95% bootstrap intervals over images [@efron1993], "
    )
    return text + f"and laid out in the plane by {_layout_method(params)}. {_faithfulness_of_plane()}"


def _layout_method(params: Mapping[str, Any]) -> str:
    if params["method"] == "pca":
        return "their first two principal components"
    approximation = "[@vandermaaten2013]" if params["method"] == "barnes-hut" else "[@linderman2019]"
    name = "Barnes-Hut t-SNE" if params["method"] == "barnes-hut" else "interpolation-based t-SNE"
    return (
        f"{name} [@vandermaaten2008] {approximation} as implemented in openTSNE [@policar2024] (perplexity "
        f"{params['perplexity']:.4g}, exact neighbours, theta {params['theta']}, exaggeration "
        f"{params['early_exaggeration']} for {params['early_iterations']} iterations, then {params['iterations']}, "
        f"started from the principal components, seed {params['seed']})"
    )


def _faithfulness_of_plane() -> str:
    return "How faithful the plane is we rate by trustworthiness [@venna2001] and the recall of nearest neighbours."


def gates_paragraph(results: Sequence[GateResult]) -> str:
    """Say how gates were measured."""
    settings = results[0].settings
    return (
        f"The gates of the attention modules were recorded on {results[0].accuracy.images:,} images, as in [@hu2018]: "
        f"mean and standard deviation, the shares of values below {settings['saturated_below']} and above "
        f"{settings['saturated_above']}, and the standard deviation of the class-conditional means over classes."
    )


def claims_paragraph(claims: pd.DataFrame) -> str:
    """Say how the paper's claims were decided."""
    candidates = ", ".join(dict.fromkeys(claims["model"]))
    return (
        f"The claims of [@ma2020] were decided for {candidates} by a rule that was fixed beforehand: supported when "
        "the 95% interval of the difference from every other variant lies beyond a margin in the claimed direction, "
        "contradicted when one lies beyond it in the other, equivalent when all lie inside the margins, else "
        "undecided. Intervals are over images, and over training runs and images where variants have three runs or "
        "more [@efron1993]."
    )
